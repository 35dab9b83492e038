/* SPDX-License-Identifier: MIT
 * The segment's file: who creates it, who replaces one of an earlier boot, and what is refused. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "segment/ipc.h"
#include "segment/segment.h"
#include "tests/unit/check.h"

enum { PROCESSES = 6, ROUNDS = 8 };

static char path[64];

static void forget(struct segment *segment)
{
    if (segment->base) {
        ipc_sem_remove(seg_header(segment)->sem_id);
        munmap(segment->base, (size_t)segment->bytes);
    }
    segment->base = NULL;
}

/* As a boot leaves it behind. */
static void make_stale(void)
{
    struct segment segment;
    unlink(path);
    CHECK_INT(segment_create(&segment, path, false), SEGMENT_OK);
    seg_header(&segment)->boot_id[0] ^= 1;
    forget(&segment);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_STALE);
}

/* Both saw the stale file; the second one comes to its turn when the first one's is in place. */
static void test_replaced_once(void)
{
    struct segment first, second;
    make_stale();
    CHECK_INT(segment_create(&first, path, true), SEGMENT_OK);
    CHECK_INT(segment_create(&second, path, true), SEGMENT_OK);
    CHECK(first.ino == second.ino && !segment_gone(&first));
    munmap(second.base, (size_t)second.bytes);
    forget(&first);
}

/* Many at once, from nothing or from a stale file: all are in one file, and no temporary one is left. */
static void attach_and_report(int out)
{
    struct segment segment;
    enum segment_result result = segment_open(&segment, path, true);
    if (result == SEGMENT_ABSENT || result == SEGMENT_STALE)
        result = segment_create(&segment, path, result == SEGMENT_STALE);
    uint64_t ino = result == SEGMENT_OK ? segment.ino : 0;
    _exit(write(out, &ino, sizeof ino) != sizeof ino);
}

static void test_together(bool stale)
{
    int ends[2], status, failed = 0;
    uint64_t ino, seen = 0;
    struct segment segment;
    if (stale)
        make_stale();
    else
        unlink(path);
    if (!CHECK_INT(pipe(ends), 0))
        return;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            attach_and_report(ends[1]);
    for (int i = 0; i < PROCESSES; i++) {
        failed += read(ends[0], &ino, sizeof ino) != sizeof ino || ino == 0 || (seen && ino != seen);
        seen = ino;
    }
    for (int i = 0; i < PROCESSES; i++)
        wait(&status);
    close(ends[0]);
    close(ends[1]);
    CHECK_INT(failed, 0);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_OK);
    CHECK(segment.ino == seen);
    forget(&segment);
}

static void test_refused(void)
{
    struct segment segment;
    char other[80];
    snprintf(other, sizeof other, "%s-other", path);
    CHECK_INT(segment_open(&segment, "/dev/shm", false), SEGMENT_UNUSABLE);
    CHECK_INT(segment_open(&segment, other, true), SEGMENT_ABSENT);
    CHECK_INT(link(path, other), 0);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_UNUSABLE); /* a hard link */
    unlink(other);
    CHECK_INT(symlink(path, other), 0);
    CHECK_INT(segment_open(&segment, other, true), SEGMENT_UNUSABLE);
    CHECK_INT(segment_create(&segment, other, false), SEGMENT_UNUSABLE); /* nothing is created through it */
    unlink(other);
    CHECK_INT(chmod(path, 0620), 0);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_UNUSABLE);
    CHECK_INT(chmod(path, 0600), 0);
    CHECK_INT(truncate(path, SEG_BYTES - 1), 0);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_UNUSABLE);
    CHECK_INT(truncate(path, 10), 0);
    CHECK_INT(segment_open(&segment, path, true), SEGMENT_UNUSABLE);
    CHECK_INT(segment_create(&segment, "/nonexistent/segment", false), SEGMENT_SYSTEM);
    unlink(path);
}

int main(void)
{
    snprintf(path, sizeof path, "/dev/shm/resil-unit-segment-%d", (int)getpid());
    test_replaced_once();
    for (int i = 0; i < ROUNDS; i++)
        test_together(i % 2);
    test_refused();
    return check_end();
}
