/* SPDX-License-Identifier: MIT
 * Timeouts that are learned: auto(p99 x3, 50ms..5s). Pure; any thread; signal safe.
 *
 * The quantile of a sample of latencies, times a factor, kept between two bounds: the estimate that RFC 6298 makes for
 * TCP, by a quantile instead of mean and deviation. As there, an attempt that timed out is a sample as well, of the
 * time that it took at least: or a backend that became slower would never be measured again. */
#ifndef RESIL_POLICY_TIMEOUT_H
#define RESIL_POLICY_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"

/* auto(...) in the value of a key: 1:1 (bit 62; every duration is below it) | quantile:10 | factor:8 | min:22 | max:22.
 */
#define TIMEOUT_AUTO ((int64_t)1 << 62)

struct timeout_auto {
    uint32_t quantile_permille;
    uint32_t factor_tenths;
    uint32_t min_ms, max_ms;
};

enum {
    TIMEOUT_QUANTILE_MIN = 500,
    TIMEOUT_QUANTILE_MAX = 999,
    TIMEOUT_FACTOR_MIN = 10,
    TIMEOUT_FACTOR_MAX = 250,
    TIMEOUT_BOUND_MAX_MS = 3600000, /* also of keys that take longer plain values */
    TIMEOUT_SAMPLES_MIN = 20        /* fewer teach nothing */
};

static inline bool timeout_is_auto(int64_t value)
{
    return __builtin_expect((uint64_t)value >> 62 == 1, 0); /* off has all bits */
}

int64_t timeout_pack(struct timeout_auto parts);
struct timeout_auto timeout_unpack(int64_t value);

/* timeout_auto_valid(value, low_ns, high_ns): whether an auto value is one, with both bounds within low..high. */
bool timeout_auto_valid(int64_t value, int64_t low_ns, int64_t high_ns);

/* timeout_effective_ns(value, learned_ns): how long it is now; a plain value is itself, <= 0 is off. learned_ns: the
 * quantile that was learned, 0 = too few samples yet: then the upper bound. */
int64_t timeout_effective_ns(int64_t value, uint64_t learned_ns);

/* The bounds of what timeout_effective_ns() may ever answer. */
int64_t timeout_shortest_ns(int64_t value);
int64_t timeout_longest_ns(int64_t value);

/* timeout_quantile(buckets, count, quantile_permille): the bucket in which the quantile lies (nearest rank); count when
 * they hold fewer than TIMEOUT_SAMPLES_MIN samples. */
uint32_t timeout_quantile(const uint32_t *buckets, uint32_t count, uint32_t quantile_permille);

#endif
