/* SPDX-License-Identifier: MIT
 * The breaker in shared memory under contention: threads that stall between any two instructions while the state goes
 * round and round. Of one half-open time no more than breaker.probes calls hold a lease at once. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/prng.h"
#include "segment/gate.h"
#include "segment/registry.h"
#include "segment/rows.h"
#include "tests/unit/check.h"

enum { THREADS = 8, PROBES = 2, GENERATION_MASK = (1 << BREAKER_GENERATION_BITS) - 1 };
#define RUN_NS    1500000000ull
#define RECENT_NS 50000000ull /* generations come round again after some tenths of a second */

static struct segment segment;
static uint32_t row;
static struct conf conf;
static _Atomic uint64_t probing[THREADS]; /* {ns, generation}: from admission to result, 0 = not */
static _Atomic int over_limit, admitted, most;
static uint64_t end_ns;

static int count_probing(uint64_t mine)
{
    int count = 0;
    for (int i = 0; i < THREADS; i++) {
        uint64_t other = atomic_load(&probing[i]);
        uint64_t apart = other > mine ? other - mine : mine - other;
        count += other != 0 && ((other ^ mine) & GENERATION_MASK) == 0 &&
                 apart >> BREAKER_GENERATION_BITS < RECENT_NS >> BREAKER_GENERATION_BITS;
    }
    return count;
}

static void turn(const struct gate *gate, uint32_t thread, uint64_t random)
{
    struct admission admission;
    uint64_t now_ns = clock_now_ns();
    if (gate_admit(gate, now_ns, &admission) != VERDICT_ADMIT) {
        if (random & 1)
            sched_yield();
        return;
    }
    if (admission.ticket.probe) {
        uint64_t mine = (now_ns & ~(uint64_t)GENERATION_MASK) | admission.ticket.generation;
        atomic_store(&probing[thread], mine);
        int now = count_probing(mine);
        atomic_fetch_add(&admitted, 1);
        atomic_fetch_add(&over_limit, now > PROBES);
        if (now > atomic_load(&most))
            atomic_store(&most, now);
        for (uint64_t rest = random >> 32 & 3; rest > 0; rest--)
            sched_yield();
        atomic_store(&probing[thread], 0);
    }
    enum outcome outcome = random % 4 == 0 ? OUTCOME_SUCCESS : random % 4 == 1 ? OUTCOME_IGNORED : OUTCOME_FAILURE;
    gate_result(gate, &admission, outcome, false, clock_now_ns(), random, 0);
}

static void *contend(void *number)
{
    uint32_t thread = (uint32_t)(uintptr_t)number;
    atomic_store(&seg_process(&segment, thread)->word, 1ull << 32 | PROCESS_LIVE);
    const struct gate gate = {.segment = &segment,
                              .row = row,
                              .conf = &conf,
                              .owner = registry_owner_at(&segment, thread),
                              .program = "test"};
    for (uint64_t i = 0; clock_now_ns() < end_ns; i++)
        turn(&gate, thread, prng_at(thread, i, 3));
    return NULL;
}

/* A stop at any instruction, for about as long as the state needs to go round once. */
static void stall(int signal_number)
{
    const struct timespec time = {.tv_nsec = 300000};
    (void)signal_number;
    nanosleep(&time, NULL);
}

static void test_probes(void)
{
    pthread_t thread[THREADS];
    const struct timespec pause = {.tv_nsec = 20000};
    signal(SIGUSR1, stall);
    end_ns = clock_now_ns() + RUN_NS;
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, contend, (void *)i) != 0)
            exit(4);
    for (uint64_t i = 0; clock_now_ns() + RUN_NS / 10 < end_ns; i++) {
        pthread_kill(thread[prng_below(prng_at(1, i, 4), THREADS)], SIGUSR1);
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK_INT(atomic_load(&over_limit), 0);
    CHECK_INT(atomic_load(&most), PROBES);
    CHECK(atomic_load(&admitted) > 1000);
}

int main(void)
{
    const struct row_key key = {.kind = ROW_DESTINATION, .name = "backend"};
    if (!segment_private(&segment))
        return 4;
    row = rows_get(&segment, &key);
    conf = (struct conf){.timeout_probe_ns = CONF_OFF,
                         .timeout_response_ns = CONF_OFF,
                         .breaker_failures = 1,
                         .breaker_open_time_ns = 100000,
                         .breaker_open_max_ns = 100000,
                         .breaker_multiplier_ppm = PPM,
                         .breaker_probes = PROBES,
                         .breaker_successes = 3,
                         .breaker_halfopen_failures = 1};
    test_probes();
    return check_end();
}
