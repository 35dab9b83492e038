/* SPDX-License-Identifier: MIT
 * Delays and budgets of retries. */
#include "policy/retry.h"

#include <errno.h>

#include "base/prng.h"

#define FIELD(bits) ((1ull << (bits)) - 1)

int64_t jitter_pack(struct jitter jitter)
{
    return (int64_t)((uint64_t)jitter.form << 56 | (uint64_t)(jitter.low & FIELD(28)) << 28 |
                     (jitter.high & FIELD(28)));
}

struct jitter jitter_unpack(int64_t value)
{
    uint64_t bits = (uint64_t)value;
    return (struct jitter){(enum jitter_form)(bits >> 56), (uint32_t)(bits >> 28 & FIELD(28)),
                           (uint32_t)(bits & FIELD(28))};
}

int64_t budget_pack(struct budget budget)
{
    return (int64_t)((uint64_t)(budget.share_milli_percent & FIELD(20)) << 42 |
                     (uint64_t)(budget.per_second & FIELD(22)) << 20 | (budget.seconds & FIELD(20)));
}

struct budget budget_unpack(int64_t value)
{
    uint64_t bits = (uint64_t)value;
    return (struct budget){(uint32_t)(bits >> 42 & FIELD(20)), (uint32_t)(bits >> 20 & FIELD(22)),
                           (uint32_t)(bits & FIELD(20))};
}

static double fibonacci(uint32_t n)
{
    double a = 0, b = 1;
    for (uint32_t i = 1; i < n; i++) {
        double next = a + b;
        a = b;
        b = next;
    }
    return b;
}

static double grown_ns(const struct conf *conf, uint32_t number)
{
    double base_ns = (double)conf->retry_base_ns, max_ns = (double)conf->retry_max_ns;
    double delay_ns = base_ns;
    switch (conf->retry_backoff) {
    case BACKOFF_EXPONENTIAL:
        for (uint32_t i = 1; i < number && delay_ns < max_ns; i++)
            delay_ns *= (double)conf->retry_factor_ppm / PPM;
        return delay_ns;
    case BACKOFF_LINEAR:
        return base_ns * number;
    case BACKOFF_FIBONACCI:
        return number > 90 ? max_ns : base_ns * fibonacci(number);
    default:
        return base_ns;
    }
}

static uint64_t between(uint64_t low, uint64_t high, uint64_t random)
{
    return high > low ? low + prng_below(random, high - low + 1) : low;
}

/* min(cap, U(base, 3 * previous)) */
static uint64_t decorrelated_ns(const struct conf *conf, uint64_t previous_ns, uint64_t random)
{
    uint64_t base_ns = (uint64_t)conf->retry_base_ns, max_ns = (uint64_t)conf->retry_max_ns;
    uint64_t from_ns = previous_ns > base_ns ? previous_ns : base_ns;
    uint64_t delay_ns = between(base_ns, 3 * from_ns, random);
    return delay_ns < max_ns ? delay_ns : max_ns;
}

uint64_t retry_delay_ns(const struct conf *conf, uint32_t number, uint64_t previous_ns, uint64_t random)
{
    struct jitter jitter = jitter_unpack(conf->retry_jitter);
    uint64_t max_ns = (uint64_t)conf->retry_max_ns;
    if (conf->retry_backoff == BACKOFF_DECORRELATED || jitter.form == JITTER_DECORRELATED)
        return decorrelated_ns(conf, previous_ns, random);
    double grown = grown_ns(conf, number);
    uint64_t delay_ns = grown < (double)max_ns ? (uint64_t)grown : max_ns;
    uint64_t share_ns = (uint64_t)((double)delay_ns * jitter.low / PPM);
    uint64_t jittered_ns;
    switch (jitter.form) {
    case JITTER_FULL:
        return between(0, delay_ns, random);
    case JITTER_EQUAL:
        return delay_ns / 2 + between(0, delay_ns - delay_ns / 2, random);
    case JITTER_SPREAD:
        return delay_ns - share_ns + between(0, 2 * share_ns, random);
    case JITTER_PLUS:
        return delay_ns + between(0, (uint64_t)jitter.low * 1000, random);
    case JITTER_PLUS_SHARE: /* the only form that is capped again */
        jittered_ns = delay_ns + between(0, share_ns, random);
        return jittered_ns < max_ns ? jittered_ns : max_ns;
    case JITTER_TIMES:
        return between((uint64_t)((double)delay_ns * jitter.low / 10000),
                       (uint64_t)((double)delay_ns * jitter.high / 10000), random);
    case JITTER_OFF:
    case JITTER_DECORRELATED:
        break;
    }
    return delay_ns;
}

bool retry_wanted(const struct conf *conf, enum observation observation, int error)
{
    int64_t bit = 0;
    if (observation == OBSERVATION_CONNECT_TIMEOUT || error == ETIMEDOUT)
        bit = RETRY_ON_TIMEOUT;
    else if (error == ECONNREFUSED || error == ENOENT)
        bit = RETRY_ON_REFUSED;
    else if (error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN || error == ENETDOWN)
        bit = RETRY_ON_UNREACHABLE;
    else if (error == ECONNRESET || error == ECONNABORTED)
        bit = RETRY_ON_RESET;
    return (conf->retry_on & bit) != 0;
}

uint64_t budget_epoch(const struct conf *conf, uint64_t now_ns)
{
    uint64_t tenth_ns = (uint64_t)budget_unpack(conf->retry_budget).seconds * 100000000u;
    return tenth_ns ? now_ns / tenth_ns : 0;
}

uint64_t budget_add(uint64_t bucket, uint64_t epoch, bool retry)
{
    uint64_t calls = bucket >> 24 & FIELD(24), retries = bucket & FIELD(24);
    if (bucket >> 48 != (epoch & FIELD(16)))
        calls = retries = 0;
    if (calls == FIELD(24) || retries == FIELD(24)) {
        calls /= 2; /* the share stays true */
        retries /= 2;
    }
    return (epoch & FIELD(16)) << 48 | (calls + !retry) << 24 | (retries + retry);
}

uint64_t budget_take_back(uint64_t bucket, uint64_t epoch)
{
    bool is_counted = bucket >> 48 == (epoch & FIELD(16)) && (bucket & FIELD(24)) > 0;
    return is_counted ? bucket - 1 : bucket;
}

bool budget_kept(const struct conf *conf, const uint64_t buckets[10], uint64_t epoch)
{
    uint64_t calls = 0, retries = 0;
    if (conf->retry_budget == CONF_OFF)
        return true;
    for (int i = 0; i < 10; i++) {
        uint64_t age = (epoch - (buckets[i] >> 48)) & FIELD(16);
        if (buckets[i] == 0 || age >= 10)
            continue;
        calls += buckets[i] >> 24 & FIELD(24);
        retries += buckets[i] & FIELD(24);
    }
    struct budget budget = budget_unpack(conf->retry_budget);
    uint64_t floor = (uint64_t)budget.per_second * budget.seconds;
    return retries * 100000 <= calls * budget.share_milli_percent + floor * 100000;
}
