/* SPDX-License-Identifier: MIT
 * GCRA. An event moves the theoretical arrival time by one interval; it conforms while that time is no more than
 * `burst` intervals ahead of now. */
#include "policy/rate.h"

#define NS_PER_HOUR 3600000000000ull

/* Nobody writes more than this rate allows in an hour at once: a debt beyond it is from other rules. */
#define LONGEST_DEBT_NS NS_PER_HOUR

struct limiter {
    uint64_t interval_ns, allowed_ns; /* of one event; how far the state may be ahead */
};

static struct limiter limiter_of(const struct conf *conf)
{
    uint64_t per_hour = (uint64_t)conf->rate_limit;
    uint64_t interval_ns = NS_PER_HOUR / per_hour;
    uint64_t second = per_hour >= 3600 ? per_hour / 3600 : 1;
    uint64_t burst = conf->rate_burst > 0 ? (uint64_t)conf->rate_burst : second;
    if (interval_ns == 0)
        interval_ns = 1;
    return (struct limiter){interval_ns, burst * interval_ns};
}

/* A state from farther ahead than it can be is from other rules, or another clock. */
static uint64_t base_of(uint64_t state, uint64_t now_ns, uint64_t limit_ns)
{
    return state > now_ns && state - now_ns <= limit_ns ? state : now_ns;
}

static struct rate_step judge(struct rate_step step, const struct conf *conf, bool may_wait)
{
    step.admitted = step.wait_ns == 0 || (may_wait && step.wait_ns <= (uint64_t)conf->rate_max_wait_ns);
    return step;
}

struct rate_step rate_step(uint64_t state, const struct conf *conf, uint64_t now_ns, bool may_wait)
{
    struct rate_step step = {.admitted = true, .next = state};
    if (conf->rate_limit <= 0)
        return step;
    struct limiter limiter = limiter_of(conf);
    uint64_t limit_ns = limiter.allowed_ns + (uint64_t)conf->rate_max_wait_ns;
    step.next = base_of(state, now_ns, limit_ns) + limiter.interval_ns;
    uint64_t ahead_ns = step.next - now_ns;
    step.wait_ns = ahead_ns > limiter.allowed_ns ? ahead_ns - limiter.allowed_ns : 0;
    return judge(step, conf, may_wait);
}

struct rate_step rate_peek(uint64_t state, const struct conf *conf, uint64_t now_ns, bool may_wait)
{
    struct rate_step step = {.admitted = true, .next = state};
    if (conf->rate_limit <= 0)
        return step;
    struct limiter limiter = limiter_of(conf);
    uint64_t ahead_ns = base_of(state, now_ns, limiter.allowed_ns + LONGEST_DEBT_NS) - now_ns;
    step.wait_ns = ahead_ns >= limiter.allowed_ns ? ahead_ns - limiter.allowed_ns + 1 : 0;
    return judge(step, conf, may_wait);
}

uint64_t rate_charge(uint64_t state, const struct conf *conf, uint64_t now_ns, uint64_t events)
{
    if (conf->rate_limit <= 0)
        return state;
    struct limiter limiter = limiter_of(conf);
    double cost_ns = (double)events * (double)NS_PER_HOUR / (double)conf->rate_limit;
    uint64_t base_ns = base_of(state, now_ns, limiter.allowed_ns + LONGEST_DEBT_NS);
    uint64_t next_ns = base_ns + (cost_ns < (double)LONGEST_DEBT_NS ? (uint64_t)cost_ns : LONGEST_DEBT_NS);
    uint64_t most_ns = now_ns + limiter.allowed_ns + LONGEST_DEBT_NS;
    return next_ns < most_ns ? next_ns : most_ns;
}
