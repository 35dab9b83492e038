/* SPDX-License-Identifier: MIT
 * The arithmetic of the worst case: as src/conn does it, with every wait at its longest. */
#include "worst.h"

#include "base/clock.h"
#include "policy/retry.h"
#include "policy/timeout.h"

/* What takes no time at all is 0, what has no end is WORST_UNBOUNDED. */
static int64_t times(int64_t count, int64_t ns)
{
    return ns == WORST_UNBOUNDED ? ns : count * ns;
}

static int64_t plus(int64_t a, int64_t b)
{
    return a == WORST_UNBOUNDED || b == WORST_UNBOUNDED ? WORST_UNBOUNDED : a + b;
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a == WORST_UNBOUNDED || (b != WORST_UNBOUNDED && b < a) ? b : a;
}

static int64_t longest_attempt_ns(const struct conf *conf)
{
    int64_t connect_ns = timeout_longest_ns(conf->timeout_connect_ns);
    int64_t probe_ns = timeout_longest_ns(conf->timeout_probe_ns);
    if (connect_ns <= 0 || probe_ns <= 0)
        return WORST_UNBOUNDED;
    return connect_ns > probe_ns ? connect_ns : probe_ns;
}

/* A delay that is random is the longest of its kind. That the first attempt at another endpoint has none is no
 * promise: the other one may be out of reach. */
static int64_t backoffs_ns(const struct conf *conf, int64_t attempts)
{
    uint64_t delay_ns = 0;
    int64_t sum_ns = 0;
    for (uint32_t number = 1; number < attempts; number++) {
        delay_ns = retry_delay_ns(conf, number, delay_ns, UINT64_MAX);
        sum_ns += (int64_t)(delay_ns + NS_PER_US - 1) / NS_PER_US * NS_PER_US; /* nobody writes 99.999999ms */
    }
    return sum_ns;
}

/* Only connects queue here; with bulkhead.unit = exchange it is the writes, unless an endpoint has a limit of its own.
 */
static int64_t longest_queue_ns(const struct conf *conf)
{
    bool counts_connections = conf->bulkhead_unit == BULKHEAD_CONNECTION &&
                              (conf->bulkhead_limit > 0 || conf->bulkhead_adaptive != ADAPTIVE_OFF);
    if (conf->bulkhead_queue <= 0 || (!counts_connections && conf->bulkhead_endpoint_limit <= 0))
        return 0;
    int64_t wait_ns = timeout_longest_ns(conf->bulkhead_queue_timeout_ns);
    return wait_ns > 0 ? wait_ns : WORST_UNBOUNDED;
}

static int64_t longest_turn_ns(const struct conf *conf)
{
    return conf->rate_limit > 0 && conf->rate_unit == RATE_CONNECTIONS ? conf->rate_max_wait_ns : 0;
}

struct worst worst_of(const struct conf *conf, uint32_t fallbacks)
{
    int64_t again = RETRY_ON_REFUSED | RETRY_ON_TIMEOUT | RETRY_ON_UNREACHABLE | RETRY_ON_RESET;
    struct worst worst = {.enforced = conf->mode == MODE_ENFORCE, .attempts = 1, .total_ns = WORST_UNBOUNDED};
    worst.attempt_ns = worst.attempts_ns = worst.sum_ns = worst.worst_ns = WORST_UNBOUNDED;
    if (!worst.enforced)
        return worst;
    if (conf->retry_on & again)
        worst.attempts = conf->retry_attempts;
    worst.attempt_ns = longest_attempt_ns(conf);
    worst.attempts_ns = times(worst.attempts, worst.attempt_ns);
    worst.backoff_ns = backoffs_ns(conf, worst.attempts);
    worst.queue_ns = times(conf->order == ORDER_BULKHEAD_OUTSIDE ? 1 : worst.attempts, longest_queue_ns(conf));
    worst.rate_ns = times(worst.attempts, longest_turn_ns(conf));
    worst.reject_ns = times(fallbacks + 1, conf->reject_delay_ns);
    worst.sum_ns = plus(plus(worst.attempts_ns, worst.backoff_ns), plus(worst.queue_ns, worst.rate_ns));
    if (conf->timeout_total_ns > 0)
        worst.total_ns = conf->timeout_total_ns;
    worst.cut = shorter(worst.sum_ns, worst.total_ns) != worst.sum_ns;
    worst.worst_ns = shorter(worst.sum_ns, worst.total_ns);
    worst.fallback_ns = times(fallbacks, shorter(worst.attempt_ns, worst.total_ns));
    worst.worst_ns = plus(worst.worst_ns, plus(worst.fallback_ns, worst.reject_ns));
    return worst;
}
