/* SPDX-License-Identifier: MIT
 * GCRA. An event moves the theoretical arrival time by one interval; it conforms while that time is no more than
 * `burst` intervals ahead of now. */
#include "policy/rate.h"

#define NS_PER_HOUR 3600000000000ull

struct rate_step rate_step(uint64_t state, const struct conf *conf, uint64_t now_ns, bool may_wait)
{
    struct rate_step step = {.admitted = true, .next = state};
    if (conf->rate_limit <= 0)
        return step;
    uint64_t per_hour = (uint64_t)conf->rate_limit;
    uint64_t interval_ns = NS_PER_HOUR / per_hour;
    if (interval_ns == 0)
        interval_ns = 1;
    uint64_t second = per_hour >= 3600 ? per_hour / 3600 : 1;
    uint64_t burst = conf->rate_burst > 0 ? (uint64_t)conf->rate_burst : second;
    uint64_t allowed_ns = burst * interval_ns;
    /* A state from farther ahead than it can be is from other rules, or another clock. */
    uint64_t limit_ns = allowed_ns + (uint64_t)conf->rate_max_wait_ns;
    uint64_t base_ns = state > now_ns && state - now_ns <= limit_ns ? state : now_ns;
    step.next = base_ns + interval_ns;
    uint64_t ahead_ns = step.next - now_ns;
    step.wait_ns = ahead_ns > allowed_ns ? ahead_ns - allowed_ns : 0;
    step.admitted = step.wait_ns == 0 || (may_wait && step.wait_ns <= (uint64_t)conf->rate_max_wait_ns);
    return step;
}
