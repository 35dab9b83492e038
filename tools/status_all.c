/* SPDX-License-Identifier: MIT
 * `resctl status --all`: every segment of the machine that this user may read. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "choose.h"
#include "print.h"
#include "segments.h"
#include "status.h"

enum { MOST = 256 };

struct gathered {
    const char *name; /* of a destination, or NULL */
    struct segment *segment[MOST];
    struct view *view[MOST];
    const char *user[MOST];
    size_t count;
};

static const char *user_of(uint32_t uid)
{
    char number[16];
    const struct passwd *user = getpwuid(uid);
    snprintf(number, sizeof number, "%u", uid);
    const char *name = user ? user->pw_name : number;
    char *kept = take_memory(strlen(name) + 1, 1);
    return strcpy(kept, name);
}

/* What cannot be read is said, and the others are shown. */
static int gather(void *context, const char *path, uint32_t uid)
{
    struct gathered *all = context;
    if (!segments_may_read(uid) || all->count == MOST)
        return RESCTL_OK;
    struct segment *segment = take_memory(1, sizeof *segment);
    if (segment_open(segment, path, false) != SEGMENT_OK) {
        complain("%s", segment->error);
        free(segment);
        return RESCTL_OK;
    }
    struct view *view = view_take(segment);
    if (all->name && !view_find(view, all->name)) {
        view_release(view);
        munmap(segment->base, (size_t)segment->bytes);
        free(segment);
        return RESCTL_OK;
    }
    all->segment[all->count] = segment;
    all->view[all->count] = view;
    all->user[all->count++] = user_of(uid);
    return RESCTL_OK;
}

int status_all(const char *name, bool as_json)
{
    static struct gathered all;
    all.name = name;
    segments_each(gather, &all);
    if (all.count == 0 && name) {
        complain("no destination `%s' in any segment that you may read", name);
        return RESCTL_NO;
    }
    if (all.count == 0)
        return choose_complain(&(struct segment){.error = "no segment that you may read"}, SEGMENT_ABSENT);
    if (as_json)
        status_jsons(all.view, all.user, all.count, name);
    else
        status_tables(all.view, all.user, all.count, name);
    return finish_output();
}
