/* SPDX-License-Identifier: MIT
 * Retries: which failures, after what delay, and how many the host may make. Pure; any thread; signal safe.
 *
 * Strategies and jitter forms are those of the AWS architecture blog ("Exponential Backoff And Jitter") and of the
 * common libraries; the budget is Finagle's: a share of all calls of the last seconds, and a floor. */
#ifndef RESIL_POLICY_RETRY_H
#define RESIL_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"
#include "tables/enums.h"

/* retry.jitter in one value: form:8 | low:28 | high:28 of an int64. */
enum jitter_form {
    JITTER_OFF,
    JITTER_FULL,
    JITTER_EQUAL,
    JITTER_DECORRELATED,
    JITTER_SPREAD,
    JITTER_PLUS,
    JITTER_PLUS_SHARE,
    JITTER_TIMES
};
struct jitter {
    enum jitter_form form;
    uint32_t low, high; /* SPREAD, PLUS_SHARE: low in ppm; PLUS: low in us; TIMES: both in 1/10000 */
};
#define JITTER_VALUE_MAX ((int64_t)(((uint64_t)JITTER_TIMES + 1) << 56) - 1)
#define BUDGET_VALUE_MAX (((int64_t)1 << 62) - 1)
int64_t jitter_pack(struct jitter jitter);
struct jitter jitter_unpack(int64_t value);

/* retry.budget in one value: share:20 (1/1000 of a percent) | floor per second:22 | seconds:20. */
struct budget {
    uint32_t share_milli_percent, per_second, seconds;
};
int64_t budget_pack(struct budget budget);
struct budget budget_unpack(int64_t value);

/* retry_delay_ns(conf, number, previous_ns, random): the delay before retry `number` (1 is the first); previous_ns is
 * the delay before it (0 for the first), for the decorrelated forms. */
uint64_t retry_delay_ns(const struct conf *conf, uint32_t number, uint64_t previous_ns, uint64_t random);

/* retry_wanted(conf, observation, error): whether this failure of a connect is one to retry. */
bool retry_wanted(const struct conf *conf, enum observation observation, int error);

/* The budget's window: buckets of one tenth of its time: epoch:16 | calls:24 | retries:24. */
uint64_t budget_epoch(const struct conf *conf, uint64_t now_ns);
uint64_t budget_add(uint64_t bucket, uint64_t epoch, bool retry);
/* budget_take_back(bucket, epoch): without one retry that was added at epoch; unchanged when it is forgotten already.
 */
uint64_t budget_take_back(uint64_t bucket, uint64_t epoch);
/* budget_kept(conf, buckets, epoch): whether the retries that are counted, one's own included, keep to the budget. */
bool budget_kept(const struct conf *conf, const uint64_t buckets[10], uint64_t epoch);

#endif
