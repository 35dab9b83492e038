/* SPDX-License-Identifier: MIT
 * Files of creators that died. */
#include "segment/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "real/raw.h"
#include "real/stack.h"
#include "segment/ipc.h"
#include "segment/segment.h"

/* Its creator has not locked it yet, or is about to rename it: that takes no time, unless it is stopped. Then its
 * rename fails, and it goes without a shared segment. */
#define YOUNG_NS (10 * (uint64_t)NS_PER_S)

/* What the unfinished header says: -1 where it does not get that far. */
static int32_t semaphores_of(int fd)
{
    enum { HEAD = offsetof(struct seg_header, sem_id) + sizeof(int32_t) };
    uint8_t head[HEAD];
    uint32_t major;
    int32_t id;
    if (raw_read(fd, head, sizeof head) != HEAD)
        return -1;
    memcpy(&major, head + offsetof(struct seg_header, major), sizeof major);
    memcpy(&id, head + offsetof(struct seg_header, sem_id), sizeof id);
    return major == SEG_MAJOR ? id : -1;
}

static bool is_abandoned(int fd, const struct raw_stat *st)
{
    uint64_t now_ns = clock_wall_ns();
    bool old = now_ns > st->mtime_ns && now_ns - st->mtime_ns > YOUNG_NS;
    bool may = st->uid == geteuid() || geteuid() == 0;
    return old && may && S_ISREG(st->mode) && st->links == 1 &&
           raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0) == 0;
}

/* The set goes only when the name did: a creator may have come to its end at this moment, and use both. */
static unsigned collect(int directory, const char *name)
{
    struct raw_stat st;
    int fd =
        (int)raw_syscall(SYS_openat, directory, (long)name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0, 0, 0);
    if (fd < 0)
        return 0;
    unsigned collected = 0;
    if (raw_fstat(fd, &st) == 0 && is_abandoned(fd, &st) &&
        raw_syscall(SYS_unlinkat, directory, (long)name, 0, 0, 0, 0) == 0) {
        int32_t id = semaphores_of(fd);
        if (ipc_sem_is_unused(id, SEG_PROCESSES, st.uid))
            ipc_sem_remove(id);
        collected = 1;
    }
    raw_close(fd);
    return collected;
}

static unsigned collect_each(int directory, const char *prefix, char *entries, size_t size)
{
    enum { ROUNDS = 256 }; /* a directory that is full of other things is no reason to be late */
    unsigned collected = 0;
    for (int round = 0; round < ROUNDS; round++) {
        long bytes = raw_syscall(SYS_getdents64, directory, (long)entries, (long)size, 0, 0, 0);
        if (bytes <= 0)
            break;
        for (long at = 0; at < bytes;) {
            const struct dirent64 *entry = (const struct dirent64 *)(void *)(entries + at);
            if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && strstr(entry->d_name, SEGMENT_UNFINISHED))
                collected += collect(directory, entry->d_name);
            at += entry->d_reclen;
        }
    }
    return collected;
}

struct search {
    const char *path;
    unsigned collected;
};

static void run(void *argument)
{
    struct search *search = argument;
    _Alignas(struct dirent64) char entries[1024];
    char directory[SEGMENT_PATH] = ".";
    const char *slash = strrchr(search->path, '/'), *name = slash ? slash + 1 : search->path;
    if (slash && (size_t)(name - search->path) < sizeof directory)
        text_format(directory, sizeof directory, "%.*s", (int)(name - search->path), search->path);
    int fd = *name ? raw_open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, 0) : -1;
    if (fd < 0)
        return;
    search->collected = collect_each(fd, name, entries, sizeof entries);
    raw_close(fd);
}

/* The first connect of a program may be that of a handler with a small stack. */
unsigned leftovers_collect(const char *path)
{
    struct search search = {.path = path};
    stack_run(run, &search);
    return search.collected;
}
