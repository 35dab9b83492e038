/* SPDX-License-Identifier: MIT
 * Retries: only inside connect(), where nothing of the application has been sent. */
#include "conn/retry.h"

#include <errno.h>

#include "base/clock.h"
#include "base/prng.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "policy/classify.h"
#include "policy/retry.h"

static struct seg_row *destination_row(const struct attempt *attempt)
{
    return seg_row(&host.segment, attempt->row);
}

static void count(const struct attempt *attempt, enum counter counter)
{
    seg_count(seg_row(&host.segment, attempt->endpoint), counter, 1);
}

static void add_to_budget(const struct attempt *attempt, bool retry)
{
    uint64_t epoch = budget_epoch(&attempt->destination->conf, attempt->now_ns);
    _Atomic uint64_t *bucket = &destination_row(attempt)->budget[epoch % SEG_BUCKETS];
    uint64_t seen = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(bucket, &seen, budget_add(seen, epoch, retry)))
        ;
}

static bool budget_has_room(const struct attempt *attempt)
{
    uint64_t buckets[SEG_BUCKETS];
    for (int i = 0; i < SEG_BUCKETS; i++)
        buckets[i] = atomic_load_explicit(&destination_row(attempt)->budget[i], memory_order_relaxed);
    return budget_allows(&attempt->destination->conf, buckets,
                         budget_epoch(&attempt->destination->conf, clock_now_ns()));
}

void retry_count_call(const struct attempt *attempt)
{
    if (attempt->destination->conf.retry_attempts > 1)
        add_to_budget(attempt, false);
}

static bool wanted(const struct attempt *attempt, uint32_t number, int error)
{
    const struct conf *conf = &attempt->destination->conf;
    return number < (uint64_t)conf->retry_attempts && conf->mode == MODE_ENFORCE && !attempt->refused &&
           retry_wanted(conf, classify_connect(error, attempt->to.family == AF_UNIX), error) &&
           !kernel_nonblocking(attempt->fd);
}

bool retry_wait(struct attempt *attempt, uint32_t number, int error, uint64_t *delay_ns)
{
    if (!wanted(attempt, number, error))
        return false;
    uint64_t random = prng_at(clock_now_ns(), attempt->cookie, number);
    uint64_t wait_ns = retry_delay_ns(&attempt->destination->conf, number, *delay_ns, random);
    bool in_time = attempt->end_ns == 0 || clock_now_ns() + wait_ns < attempt->end_ns;
    if (!in_time || !budget_has_room(attempt))
        return false;
    inject_sleep((int64_t)wait_ns);
    *delay_ns = wait_ns;
    attempt->now_ns = clock_now_ns();
    add_to_budget(attempt, true);
    count(attempt, COUNTER_retries);
    return true;
}

void retry_ended(const struct attempt *attempt, uint32_t retries, bool ok)
{
    if (retries > 0 || (!ok && attempt->destination->conf.retry_attempts > 1 && !attempt->refused))
        count(attempt, ok ? COUNTER_retries_ok : COUNTER_retries_exhausted);
}
