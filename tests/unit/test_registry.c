/* SPDX-License-Identifier: MIT
 * The process registry: who comes after an exec, and who is killed while it joins. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/prng.h"
#include "segment/ipc.h"
#include "segment/registry.h"
#include "segment/segment.h"
#include "tests/unit/check.h"

enum { EXECS = 5000, KILLED = 400 };

static struct segment segment;
static _Atomic int stop, was_free;
static uint32_t own_index;

static void *watch(void *unused)
{
    while (!atomic_load(&stop))
        if (registry_owner_at(&segment, own_index) == 0)
            atomic_fetch_add(&was_free, 1);
    return unused;
}

/* A program that execs joins again and again: it stays who it was. The unit of the semaphore stays at its index until
 * the process ends, so nobody else may ever get in there. */
static void test_exec(void)
{
    pthread_t watcher;
    bool resumed;
    uint32_t owner = registry_join(&segment, 0, "before", &resumed);
    CHECK(!resumed);
    own_index = owner_index(owner);
    if (!CHECK(owner != 0) || pthread_create(&watcher, NULL, watch, NULL) != 0)
        return;
    for (int i = 0; i < EXECS; i++) {
        uint32_t next = registry_join(&segment, 0, "after", &resumed);
        if (!resumed || next != owner || !registry_alive(&segment, owner))
            CHECK_INT(next, owner);
    }
    atomic_store(&stop, 1);
    pthread_join(watcher, NULL);
    CHECK_INT(atomic_load(&was_free), 0);
}

static uint32_t claimed_by(uint32_t index, uint32_t pid)
{
    atomic_store(&seg_process(&segment, index)->word, 7ull << 32 | (uint64_t)pid << 2 | PROCESS_CLAIMED);
    return registry_owner_at(&segment, index);
}

static void test_claimed(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    CHECK(!registry_alive(&segment, claimed_by(100, (uint32_t)child)));
    CHECK(registry_alive(&segment, claimed_by(100, (uint32_t)getpid())));
    CHECK(registry_alive(&segment, claimed_by(100, 0))); /* unknown */
    claimed_by(100, (uint32_t)child);
    registry_bury(&segment, registry_owner_at(&segment, 100));
    CHECK_INT(registry_owner_at(&segment, 100), 0);
}

/* Killed at any instruction of the join, at an index that is new for half of them. */
static void test_killed(void)
{
    for (uint32_t i = 0; i < KILLED; i++) {
        pid_t child = fork();
        if (child == 0) {
            bool resumed;
            registry_join(&segment, 0, "child", &resumed);
            for (;;)
                pause();
        }
        const struct timespec time = {.tv_nsec = (long)prng_below(prng_at(i, 1, 1), 400000)};
        nanosleep(&time, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint32_t used = atomic_load(&seg_header(&segment)->processes_used);
        for (uint32_t index = 0; index < used; index++) {
            uint32_t owner = registry_owner_at(&segment, index);
            if (index == own_index || owner == 0)
                continue;
            CHECK(!registry_alive(&segment, owner));
            if (i % 2)
                registry_bury(&segment, owner);
        }
    }
}

int main(void)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/resil-unit-%d", (int)getpid());
    if (segment_create(&segment, path, false) != SEGMENT_OK) {
        fprintf(stderr, "%s\n", segment.error);
        return 4;
    }
    unlink(path);
    test_exec();
    test_claimed();
    test_killed();
    ipc_sem_remove(seg_header(&segment)->sem_id);
    return check_end();
}
