/* SPDX-License-Identifier: MIT
 * `resctl off, on [--all] [--for D]`: the kill switch. It must work when nothing else does: only the magic number of a
 * segment is judged, and two words are written whose offsets are fixed for all versions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "choose.h"
#include "duration.h"
#include "print.h"
#include "segment/events.h"
#include "segment/rows.h"
#include "segments.h"

struct flip {
    const char *subject;
    bool off;
    uint64_t for_ns;
    char period[DURATION_TEXT];
    uint32_t done;
};

/* The words that every version has at the same place. */
struct header_start {
    _Atomic uint64_t magic;
    uint32_t major, minor;
    _Atomic uint32_t off;
    uint32_t reserved;
    _Atomic uint64_t off_until_ns;
};
_Static_assert(offsetof(struct header_start, off) == offsetof(struct seg_header, off), "fixed");
_Static_assert(offsetof(struct header_start, off_until_ns) == offsetof(struct seg_header, off_until_ns), "fixed");

/* The end first: whoever sees the switch sees its end. Who dies in between has changed nothing, or has switched what is
 * off already to its new end. */
static void write_words(const struct flip *flip, struct header_start *start)
{
    if (flip->off) {
        atomic_store(&start->off_until_ns, flip->for_ns ? clock_now_ns() + flip->for_ns : 0);
        atomic_store(&start->off, 1);
    } else {
        atomic_store(&start->off, 0);
        atomic_store(&start->off_until_ns, 0);
    }
}

/* A segment of our own version hears of it, too. */
static void announce(const struct flip *flip, const char *path)
{
    struct segment segment;
    if (segment_open(&segment, path, true) != SEGMENT_OK)
        return;
    struct event event = {.kind = flip->off ? EVENT_OFF : EVENT_ON,
                          .row = ROW_NONE,
                          .error = getuid(),
                          .program = "resctl",
                          .name = "*",
                          .label = flip->for_ns ? flip->period : ""};
    event_write(&segment, &event);
    munmap(segment.base, (size_t)segment.bytes);
}

static int fail(const char *path, const char *why)
{
    complain("%s: %s", path, why);
    return RESCTL_SEGMENT;
}

static int flip_open(struct flip *flip, const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct header_start))
        return fail(path, "not a segment of libresil");
    struct header_start *start = mmap(NULL, sizeof *start, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED) {
        complain("%s: cannot map: %s", path, strerror(errno));
        return RESCTL_SYSTEM;
    }
    bool ours = atomic_load(&start->magic) == SEG_MAGIC;
    if (ours)
        write_words(flip, start);
    munmap(start, sizeof *start);
    return ours ? RESCTL_OK : fail(path, "not a segment of libresil (wrong magic)");
}

static int flip_path(void *context, const char *path, uint32_t uid)
{
    struct flip *flip = context;
    if (!segments_may_read(uid))
        return RESCTL_OK;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return fail(path, "no such segment");
    if (fd < 0) {
        complain("%s: cannot open: %s", path, strerror(errno));
        return errno == ELOOP || errno == EISDIR ? RESCTL_SEGMENT : RESCTL_SYSTEM;
    }
    int code = flip_open(flip, path, fd);
    close(fd);
    if (code != RESCTL_OK)
        return code;
    announce(flip, path);
    printf("%s: %s%s%s\n", path, flip->off ? "off: every call passes through" : "on", flip->for_ns ? " for " : "",
           flip->for_ns ? flip->period : "");
    flip->done++;
    return RESCTL_OK;
}

static int act(const struct command *self, int argc, char **argv, bool off)
{
    struct choice choice = CHOICE_NONE;
    struct flip flip = {.subject = self->name, .off = off};
    bool all = false;
    const char *period = NULL;
    const struct option_row rows[] = {
        FOR_OPTION(period, "it ends by itself after D"),
        {"all", 'a', OPTION_FLAG, &all, NULL, "every segment in /dev/shm that this user may write"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = off ? rows : rows + 1};
    struct operands operands;
    char path[SEGMENT_PATH];
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!duration_read(self->name, period, &flip.for_ns))
        return RESCTL_USAGE;
    if (period)
        copy_text(flip.period, sizeof flip.period, period, strlen(period));
    if (all)
        code = segments_each(flip_path, &flip);
    else if ((code = choose_path(&choice, path, sizeof path)) == RESCTL_OK)
        code = flip_path(&flip, path, geteuid());
    if (all && flip.done == 0 && code == RESCTL_OK)
        code = fail(self->name, "there is no segment of this user in /dev/shm");
    int written = finish_output();
    return code == RESCTL_OK ? written : code;
}

int command_off(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, true);
}

int command_on(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, false);
}
