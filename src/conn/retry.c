/* SPDX-License-Identifier: MIT
 * Retries: only inside connect(), where nothing of the application has been sent. */
#include "conn/retry.h"

#include "base/clock.h"
#include "base/prng.h"
#include "conn/fallback.h"
#include "conn/host.h"
#include "conn/steer.h"
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

static void add_to_budget(const struct attempt *attempt, uint64_t epoch, bool retry)
{
    _Atomic uint64_t *bucket = &destination_row(attempt)->budget[epoch % SEG_BUCKETS];
    uint64_t seen = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(bucket, &seen, budget_add(seen, epoch, retry)))
        ;
}

static void take_back(const struct attempt *attempt, uint64_t epoch)
{
    _Atomic uint64_t *bucket = &destination_row(attempt)->budget[epoch % SEG_BUCKETS];
    uint64_t seen = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(bucket, &seen, budget_take_back(seen, epoch)))
        ;
}

/* The retry is counted before the budget is looked at: of several that come at once for the last of it none passes
 * unseen, though all may be refused. Who is killed after this has spent it. */
static bool spend_budget(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    uint64_t buckets[SEG_BUCKETS];
    uint64_t epoch = budget_epoch(conf, clock_now_ns());
    if (conf->retry_budget == CONF_OFF)
        return true;
    add_to_budget(attempt, epoch, true);
    for (int i = 0; i < SEG_BUCKETS; i++)
        buckets[i] = atomic_load(&destination_row(attempt)->budget[i]);
    if (budget_kept(conf, buckets, epoch))
        return true;
    take_back(attempt, epoch);
    return false;
}

void retry_count_call(const struct attempt *attempt)
{
    if (attempt->destination->conf.retry_attempts > 1)
        add_to_budget(attempt, budget_epoch(&attempt->destination->conf, attempt->now_ns), false);
}

static bool wanted(const struct attempt *attempt, int error)
{
    const struct conf *conf = &attempt->destination->conf;
    return conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_RETRY) && !attempt->refused && !host_off() &&
           retry_wanted(conf, classify_connect(error, attempt->to.family == AF_UNIX), error);
}

bool retry_next(struct attempt *attempt, int error, uint64_t *wait_ns)
{
    if (!attempt->target && wanted(attempt, error) && retry_may(attempt, wait_ns))
        return true;
    *wait_ns = 0;
    return fallback_next(attempt, error);
}

bool retry_may(struct attempt *attempt, uint64_t *wait_ns)
{
    if (attempt->retries + 1 >= (uint64_t)attempt->destination->conf.retry_attempts)
        return false;
    uint32_t number = attempt->retries + 1;
    uint64_t now_ns = clock_now_ns(), random = prng_at(now_ns, attempt->cookie, number);
    bool other = steer_other(attempt); /* the first attempt at another endpoint has no back-off */
    uint32_t step = number - attempt->failovers;
    *wait_ns = other ? 0 : retry_delay_ns(&attempt->destination->conf, step, attempt->delay_ns, random);
    bool in_time = attempt->end_ns == 0 || now_ns + *wait_ns < attempt->end_ns;
    if (!in_time || !spend_budget(attempt))
        return false;
    if (other)
        attempt->failovers++;
    else
        attempt->delay_ns = *wait_ns;
    return true;
}

void retry_count(struct attempt *attempt)
{
    if (fallback_is_due(attempt)) {
        fallback_begin(attempt);
        return;
    }
    attempt->retries++;
    count(attempt, COUNTER_retries);
}

void retry_ended(const struct attempt *attempt, bool ok)
{
    if (attempt->target)
        return; /* the destination's own end was told when the call left it */
    if (attempt->retries > 0 || (!ok && attempt->destination->conf.retry_attempts > 1 && !attempt->refused))
        count(attempt, ok ? COUNTER_retries_ok : COUNTER_retries_exhausted);
}
