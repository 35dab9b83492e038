/* SPDX-License-Identifier: MIT
 * Slots that processes share: whoever leaves or dies in whatever order, a slot is taken while somebody holds it, and no
 * longer. Owners are real processes, for the ledger asks whether they live. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "segment/heirs.h"
#include "segment/ledger.h"
#include "segment/registry.h"

enum { ROUNDS = 5000, LATER_NS = 2000000000 };

static struct segment segment;

struct process {
    pid_t pid;
    uint32_t owner;
};

/* A process that has entered the registry and waits to be killed. */
static struct process start(uint32_t parent)
{
    struct process process = {0};
    int pipes[2];
    if (pipe(pipes) != 0)
        exit(2);
    process.pid = fork();
    if (process.pid == 0) {
        bool resumed;
        uint32_t owner = registry_join(&segment, parent, "heir", &resumed);
        if (resumed || registry_join(&segment, parent, "again", &resumed) != owner || !resumed)
            owner = 0;
        if (write(pipes[1], &owner, sizeof owner) != (ssize_t)sizeof owner)
            _exit(1);
        for (;;)
            pause();
    }
    CHECK_INT(read(pipes[0], &process.owner, sizeof process.owner), sizeof process.owner);
    CHECK(process.owner != 0);
    close(pipes[0]);
    close(pipes[1]);
    return process;
}

static void end(const struct process *process)
{
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    CHECK(!registry_alive(&segment, process->owner));
}

static struct slot acquire(uint32_t owner)
{
    struct slot slot;
    struct slot_info info = {.row = 1, .endpoint = 1, .cookie = 7, .now_ns = clock_now_ns(), .limit = 100};
    CHECK_INT(ledger_acquire(&segment, owner, &info, &slot), LEDGER_OK);
    return slot;
}

static uint32_t taken(void)
{
    return ledger_count(atomic_load(&seg_row(&segment, 1)->account));
}

static void release(uint32_t owner, struct slot slot)
{
    ledger_release(&segment, owner, &slot);
    CHECK_INT(slot.entry, LEDGER_NONE);
}

static void test_orders(void)
{
    struct process a = start(0), b = start(a.owner), c = start(b.owner);
    struct slot slot = acquire(a.owner);
    CHECK(ledger_inherit(&segment, &slot, b.owner, clock_now_ns()));
    CHECK(ledger_inherit(&segment, &slot, b.owner, clock_now_ns())); /* once */
    CHECK(ledger_inherit(&segment, &slot, c.owner, clock_now_ns()));
    release(b.owner, slot);
    CHECK_INT(taken(), 1);
    release(a.owner, slot); /* to c */
    CHECK_INT(taken(), 1);
    release(a.owner, slot); /* not its own any more */
    release(b.owner, slot);
    CHECK_INT(taken(), 1);
    end(&a);
    CHECK_INT(ledger_reap(&segment, 1, clock_now_ns()), 0);
    release(c.owner, slot);
    CHECK_INT(taken(), 0);
    CHECK(!ledger_inherit(&segment, &slot, b.owner, clock_now_ns()));

    slot = acquire(c.owner);
    CHECK(ledger_inherit(&segment, &slot, b.owner, clock_now_ns()));
    end(&c);
    CHECK_INT(ledger_reap(&segment, 1, clock_now_ns()), 0); /* to b */
    CHECK_INT(taken(), 1);
    end(&b);
    CHECK_INT(ledger_reap(&segment, 1, clock_now_ns()), 1);
    CHECK_INT(taken(), 0);
}

static void test_places(void)
{
    struct process owner = start(0), heirs[HEIRS + 1];
    struct slot slot = acquire(owner.owner);
    struct seg_entry *entry = seg_entry(&segment, slot.entry);
    for (int i = 0; i <= HEIRS; i++) {
        heirs[i] = start(owner.owner);
        CHECK_INT(heirs_add(&segment, entry, heirs[i].owner, clock_now_ns()), i < HEIRS);
    }
    end(&heirs[2]); /* its place is free for the next one */
    CHECK(heirs_add(&segment, entry, heirs[HEIRS].owner, clock_now_ns()));
    for (int i = 0; i <= HEIRS; i++) {
        CHECK_INT(taken(), 1);
        release(i == 1 ? owner.owner : heirs[i].owner, slot); /* the owner in the middle */
    }
    CHECK_INT(taken(), 1);
    release(heirs[1].owner, slot);
    CHECK_INT(taken(), 0);
    for (int i = 0; i <= HEIRS; i++)
        if (i != 2)
            end(&heirs[i]);
    end(&owner);
}

/* A parent that dies before its child has said that it is there. */
static void test_child_on_its_way(void)
{
    struct process parent = start(0), child = start(parent.owner);
    struct slot slot = acquire(parent.owner);
    uint64_t now_ns = clock_now_ns();
    registry_forks(&segment, parent.owner, now_ns);
    end(&parent);
    CHECK_INT(ledger_reap(&segment, 1, now_ns), 0);
    CHECK_INT(ledger_reap(&segment, LEDGER_NONE, now_ns + LATER_NS / 4), 0);
    CHECK_INT(taken(), 1);
    CHECK(ledger_inherit(&segment, &slot, child.owner, now_ns));
    registry_arrived(&segment, parent.owner);
    CHECK_INT(ledger_reap(&segment, 1, now_ns), 0);
    CHECK_INT(taken(), 1);
    release(child.owner, slot);
    CHECK_INT(taken(), 0);

    slot = acquire(child.owner);
    registry_forks(&segment, child.owner, now_ns); /* and the child never comes */
    end(&child);
    CHECK_INT(ledger_reap(&segment, 1, now_ns), 0);
    CHECK_INT(ledger_reap(&segment, 1, now_ns + LATER_NS), 1);
    CHECK_INT(taken(), 0);
}

struct leaver {
    uint32_t owner;
    struct slot slot;
    pthread_barrier_t *barrier;
};

static void *leave(void *data)
{
    struct leaver *leaver = data;
    pthread_barrier_wait(leaver->barrier);
    ledger_release(&segment, leaver->owner, &leaver->slot);
    return NULL;
}

/* All at once: exactly one of them gives the slot back. */
static void test_race(void)
{
    enum { LEAVERS = 3 };
    struct process process[LEAVERS];
    pthread_barrier_t barrier;
    int wrong = 0;
    pthread_barrier_init(&barrier, NULL, LEAVERS);
    for (int i = 0; i < LEAVERS; i++)
        process[i] = start(0);
    struct slot kept = acquire(process[0].owner); /* an account that went below this would show */
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread[LEAVERS];
        struct leaver leaver[LEAVERS];
        struct slot slot = acquire(process[0].owner);
        for (int i = 0; i < LEAVERS; i++) {
            leaver[i] = (struct leaver){process[i].owner, slot, &barrier};
            if (i > 0)
                ledger_inherit(&segment, &slot, process[i].owner, clock_now_ns());
        }
        for (int i = 0; i < LEAVERS; i++)
            pthread_create(&thread[i], NULL, leave, &leaver[i]);
        for (int i = 0; i < LEAVERS; i++)
            pthread_join(thread[i], NULL);
        wrong += taken() != 1;
    }
    CHECK_INT(wrong, 0);
    release(process[0].owner, kept);
    for (int i = 0; i < LEAVERS; i++)
        end(&process[i]);
}

int main(void)
{
    if (!segment_private(&segment))
        return 2;
    test_orders();
    test_places();
    test_child_on_its_way();
    test_race();
    return check_end();
}
