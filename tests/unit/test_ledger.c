/* SPDX-License-Identifier: MIT
 * The shared accounts under contention: threads stand for processes, each with an owner of its own that dies now and
 * then with whatever it holds. Slots, places and probes never pass their limits, and nothing stays behind. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/prng.h"
#include "segment/gate.h"
#include "segment/ledger.h"
#include "segment/registry.h"
#include "segment/rows.h"
#include "tests/unit/check.h"

enum { THREADS = 8, TURNS = 100000, LIMIT = 3, PLACES = 2, PROBES = 2, MS = 1000000 };

static struct segment segment;
static uint32_t row;
static _Atomic int held, most_held;
static _Atomic int over_limit, over_places;
static uint64_t drift_ns; /* of the clock, a turn: threads that are behind wait in the queue long after their time */

/* An owner that lives (its process is unknown, and unknown is alive) until it is buried. */
static uint32_t live(uint32_t index)
{
    struct seg_process *process = seg_process(&segment, index);
    uint64_t generation = atomic_load(&process->word) >> 32;
    atomic_store(&process->word, (generation ? generation : 1) << 32 | PROCESS_LIVE);
    return registry_owner_at(&segment, index);
}

static uint32_t die(uint32_t owner)
{
    registry_bury(&segment, owner);
    return live(owner_index(owner));
}

static void note(_Atomic int *most, int value)
{
    int seen = atomic_load(most);
    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value))
        ;
}

static bool get(struct slot *slot, uint32_t owner, uint64_t now_ns, bool may_queue)
{
    const struct slot_info info = {.row = row,
                                   .endpoint = row,
                                   .now_ns = now_ns,
                                   .limit = LIMIT,
                                   .places = may_queue ? PLACES : 0,
                                   .expiry_ns = now_ns + MS};
    enum ledger_result result = ledger_acquire(&segment, owner, &info, slot);
    if (ledger_count(atomic_load(&seg_row(&segment, row)->queue)) > PLACES)
        atomic_fetch_add(&over_places, 1);
    if (result != LEDGER_QUEUED)
        return result == LEDGER_OK;
    for (int looks = 0; looks < 20; looks++)
        if (ledger_turn(&segment, slot, LIMIT, now_ns))
            return true;
    if (prng_below(prng_at(now_ns, owner, 2), 2))
        ledger_leave(&segment, slot); /* else it dies in the queue */
    return false;
}

static void *contend(void *number)
{
    uint32_t index = (uint32_t)(uintptr_t)number;
    uint32_t owner = live(index);
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        struct slot slot;
        uint64_t random = prng_at(index, turn, 1);
        bool got = get(&slot, owner, MS + turn * drift_ns, random & 8);
        if (got) {
            int now = atomic_fetch_add(&held, 1) + 1;
            note(&most_held, now);
            if (now > LIMIT)
                atomic_fetch_add(&over_limit, 1);
            for (uint64_t rest = random >> 32 & 3; rest > 0; rest--)
                sched_yield();
            atomic_fetch_sub(&held, 1);
        }
        if (got && random % 4 != 0)
            ledger_release(&segment, owner, &slot);
        else if (slot.entry != LEDGER_NONE)
            owner = die(owner);
    }
    die(owner);
    return NULL;
}

static void run(void *(*body)(void *))
{
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, body, (void *)i) != 0)
            exit(4);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void test_slots(uint64_t drift)
{
    drift_ns = drift;
    atomic_store(&most_held, 0);
    run(contend);
    CHECK_INT(atomic_load(&over_limit), 0);
    CHECK_INT(atomic_load(&over_places), 0);
    CHECK_INT(atomic_load(&most_held), LIMIT);
    ledger_reap(&segment, row, MS + TURNS * drift);
    CHECK_INT(ledger_count(atomic_load(&seg_row(&segment, row)->account)), 0);
    CHECK_INT(ledger_count(atomic_load(&seg_row(&segment, row)->queue)), 0);
    /* An entry left CLAIMED or PENDING would be lost for ever. */
    for (uint32_t i = 0; i < atomic_load(&seg_header(&segment)->ledger_used); i++)
        CHECK_INT(atomic_load(&seg_entry(&segment, i)->word) & 7, ENTRY_FREE);
}

int main(void)
{
    const struct row_key key = {.kind = ROW_DESTINATION, .name = "backend"};
    if (!segment_private(&segment))
        return 4;
    row = rows_get(&segment, &key);
    test_slots(0);
    test_slots(MS / 5);
    return check_end();
}
