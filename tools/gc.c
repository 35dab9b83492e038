/* SPDX-License-Identifier: MIT
 * `resctl gc`: buries the dead and takes back what they held; on request removes a segment that nobody uses. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "choose.h"
#include "json.h"
#include "liveness.h"
#include "print.h"
#include "remove.h"
#include "segments.h"
#include "base/clock.h"
#include "segment/events.h"
#include "segment/leftovers.h"
#include "segment/ledger.h"
#include "segment/registry.h"
#include "segment/rows.h"

struct collected {
    uint32_t living, buried, reclaimed, unfinished;
    bool removed;
};

static void bury_the_dead(const struct segment *segment, struct collected *collected)
{
    uint32_t used = atomic_load(&seg_header(segment)->processes_used);
    for (uint32_t i = 0; i < used && i < SEG_PROCESSES; i++) {
        uint32_t owner = registry_owner_at(segment, i);
        if (owner == 0)
            continue;
        if (registry_holds(segment, owner, clock_now_ns())) {
            collected->living++;
        } else {
            registry_bury(segment, owner);
            collected->buried++;
        }
    }
}

/* Row by row first, for each row counts what was reclaimed in it; then whatever names no row. */
static void reap(const struct segment *segment, struct collected *collected)
{
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(segment, i);
        if (!rows_ready(row) || row->kind != ROW_DESTINATION)
            continue;
        uint32_t count = ledger_reap(segment, i, clock_now_ns());
        struct event event = {.kind = EVENT_RECLAIMED, .row = i, .count = count, .program = "resctl"};
        if (count)
            event_write(segment, &event);
        collected->reclaimed += count;
    }
    collected->reclaimed += ledger_reap(segment, LEDGER_NONE, clock_now_ns());
}

static int remove_file(const char *path)
{
    if (unlink(path) == 0)
        return RESCTL_OK;
    complain("gc: cannot remove %s: %s", path, strerror(errno));
    return RESCTL_SYSTEM;
}

static int remove_segment(const struct segment *segment, struct collected *collected)
{
    if (collected->living) {
        complain("gc: %s is in use by %u process%s; not removed", segment->path, collected->living,
                 collected->living == 1 ? "" : "es");
        return RESCTL_NO;
    }
    int code = remove_file(segment->path);
    if (code == RESCTL_OK)
        remove_semaphores(segment);
    collected->removed = code == RESCTL_OK;
    return code;
}

static void print_collected(const char *path, const struct collected *collected, bool as_json)
{
    if (!as_json) {
        printf("%s: %u living process%s, %u dead buried, %u slots reclaimed%s", path, collected->living,
               collected->living == 1 ? "" : "es", collected->buried, collected->reclaimed,
               collected->removed ? ", removed" : "");
        if (collected->unfinished)
            printf(", %u unfinished removed", collected->unfinished);
        putchar('\n');
        return;
    }
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_text(&json, "path", path);
    json_number(&json, "living", collected->living);
    json_number(&json, "buried", collected->buried);
    json_number(&json, "reclaimed", collected->reclaimed);
    json_number(&json, "unfinished", collected->unfinished);
    json_bool(&json, "removed", collected->removed);
    json_close(&json);
}

/* A segment of an earlier boot has no living user and no semaphores. */
static int collect_stale(const struct segment *segment, unsigned unfinished, bool remove, bool as_json)
{
    struct collected collected = {.unfinished = unfinished};
    if (!remove)
        return choose_complain(segment, SEGMENT_STALE);
    if (remove_file(segment->path) != RESCTL_OK)
        return RESCTL_SYSTEM;
    collected.removed = true;
    print_collected(segment->path, &collected, as_json);
    return finish_output();
}

static int collect(const struct segment *segment, unsigned unfinished, bool remove, bool as_json)
{
    struct collected collected = {.unfinished = unfinished};
    int code = RESCTL_OK;
    bury_the_dead(segment, &collected);
    reap(segment, &collected);
    if (remove)
        code = remove_segment(segment, &collected);
    print_collected(segment->path, &collected, as_json);
    int written = finish_output();
    return code == RESCTL_OK ? written : code;
}

struct gc {
    bool remove, as_json;
};

/* Of creators that were killed before there was a segment. */
static int tell_unfinished(const char *path, unsigned unfinished, bool as_json)
{
    struct collected collected = {.unfinished = unfinished};
    print_collected(path, &collected, as_json);
    return finish_output();
}

static int collect_path(const struct gc *gc, const char *path)
{
    struct segment segment;
    unsigned unfinished = leftovers_collect(path);
    enum segment_result result = segment_open(&segment, path, true);
    if (result == SEGMENT_ABSENT && unfinished)
        return tell_unfinished(path, unfinished, gc->as_json);
    if (result == SEGMENT_STALE)
        return collect_stale(&segment, unfinished, gc->remove, gc->as_json);
    if (result != SEGMENT_OK)
        return choose_complain(&segment, result);
    int code = collect(&segment, unfinished, gc->remove, gc->as_json);
    munmap(segment.base, (size_t)segment.bytes);
    return code;
}

/* One that cannot be read is said, and does not keep the others from being looked at. */
static int collect_each(void *context, const char *path, uint32_t uid)
{
    struct segment segment;
    if (!segments_may_read(uid))
        return RESCTL_OK;
    enum segment_result result = segment_open(&segment, path, false);
    if (result == SEGMENT_OK)
        munmap(segment.base, (size_t)segment.bytes);
    if (result == SEGMENT_OK || result == SEGMENT_STALE)
        return collect_path(context, path);
    complain("%s", segment.error);
    return RESCTL_SEGMENT;
}

static int collect_all(struct gc *gc)
{
    unsigned unfinished = leftovers_collect(SEGMENTS_ALL);
    int told = unfinished ? tell_unfinished(SEGMENTS_ALL "*", unfinished, gc->as_json) : RESCTL_OK;
    int code = segments_each(collect_each, gc);
    return code > told ? code : told;
}

int command_gc(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    struct gc gc = {.remove = false};
    bool all = false;
    const struct option_row rows[] = {
        {"remove", 0, OPTION_FLAG, &gc.remove, NULL, "delete the segment and its semaphores if no process lives in it"},
        {"json", 'j', OPTION_FLAG, &gc.as_json, NULL, "the counts as a JSON object"},
        {"all", 'a', OPTION_FLAG, &all, NULL, "every segment in /dev/shm that this user may write"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    char path[SEGMENT_PATH];
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (all)
        return collect_all(&gc);
    if ((code = choose_path(&choice, path, sizeof path)) != RESCTL_OK)
        return code;
    return collect_path(&gc, path);
}
