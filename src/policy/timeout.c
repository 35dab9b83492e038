/* SPDX-License-Identifier: MIT
 * Arithmetic of learned timeouts. */
#include "policy/timeout.h"

#define MS_NS 1000000ll

enum { BOUND_BITS = 22, FACTOR_BITS = 8, QUANTILE_BITS = 10 };

int64_t timeout_pack(struct timeout_auto parts)
{
    uint64_t value = parts.quantile_permille;
    value = value << FACTOR_BITS | parts.factor_tenths;
    value = value << BOUND_BITS | parts.min_ms;
    value = value << BOUND_BITS | parts.max_ms;
    return TIMEOUT_AUTO | (int64_t)value;
}

struct timeout_auto timeout_unpack(int64_t value)
{
    const uint32_t bound_mask = (1u << BOUND_BITS) - 1;
    uint64_t bits = (uint64_t)value;
    return (struct timeout_auto){
        .max_ms = (uint32_t)bits & bound_mask,
        .min_ms = (uint32_t)(bits >> BOUND_BITS) & bound_mask,
        .factor_tenths = (uint32_t)(bits >> 2 * BOUND_BITS) & ((1u << FACTOR_BITS) - 1),
        .quantile_permille = (uint32_t)(bits >> (2 * BOUND_BITS + FACTOR_BITS)) & ((1u << QUANTILE_BITS) - 1),
    };
}

bool timeout_auto_valid(int64_t value, int64_t low_ns, int64_t high_ns)
{
    struct timeout_auto parts = timeout_unpack(value);
    return timeout_is_auto(value) && parts.quantile_permille >= TIMEOUT_QUANTILE_MIN &&
           parts.quantile_permille <= TIMEOUT_QUANTILE_MAX && parts.factor_tenths >= TIMEOUT_FACTOR_MIN &&
           parts.factor_tenths <= TIMEOUT_FACTOR_MAX && parts.min_ms <= parts.max_ms &&
           parts.max_ms <= TIMEOUT_BOUND_MAX_MS && parts.min_ms * MS_NS >= low_ns && parts.max_ms * MS_NS <= high_ns;
}

int64_t timeout_shortest_ns(int64_t value)
{
    return timeout_is_auto(value) ? timeout_unpack(value).min_ms * MS_NS : value;
}

int64_t timeout_longest_ns(int64_t value)
{
    return timeout_is_auto(value) ? timeout_unpack(value).max_ms * MS_NS : value;
}

int64_t timeout_effective_ns(int64_t value, uint64_t learned_ns)
{
    if (!timeout_is_auto(value))
        return value;
    struct timeout_auto parts = timeout_unpack(value);
    uint64_t min_ns = parts.min_ms * (uint64_t)MS_NS, max_ns = parts.max_ms * (uint64_t)MS_NS;
    if (learned_ns == 0 || learned_ns >= max_ns) /* a factor is never below 1 */
        return (int64_t)max_ns;
    uint64_t wanted_ns = learned_ns * parts.factor_tenths / 10;
    return (int64_t)(wanted_ns < min_ns ? min_ns : wanted_ns > max_ns ? max_ns : wanted_ns);
}

uint32_t timeout_quantile(const uint32_t *buckets, uint32_t count, uint32_t quantile_permille)
{
    uint64_t samples = 0, seen = 0;
    for (uint32_t i = 0; i < count; i++)
        samples += buckets[i];
    if (samples < TIMEOUT_SAMPLES_MIN)
        return count;
    uint64_t rank = (samples * quantile_permille + 999) / 1000;
    for (uint32_t i = 0; i < count; i++) {
        seen += buckets[i];
        if (seen >= rank)
            return i;
    }
    return count;
}
