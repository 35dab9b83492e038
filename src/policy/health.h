/* SPDX-License-Identifier: MIT
 * What active checks make of an endpoint: up or down, after so many checks in a row (HAProxy's rise and fall; the first
 * success of all is enough, as Envoy has it). Pure; any thread; signal safe; no allocation.
 */
#ifndef RESIL_POLICY_HEALTH_H
#define RESIL_POLICY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN, HEALTH_STATES };
extern const char *const health_names[HEALTH_STATES];

/* One word of the segment: {state:8, streak:8, finding:16, detail:32}. */
struct health {
    uint32_t state;   /* enum health_state */
    uint32_t streak;  /* results in a row that speak against the state */
    uint32_t finding; /* the last result: enum finding, and its detail (tables/findings.tbl.h) */
    uint32_t detail;
};

uint64_t health_pack(const struct health *health);
struct health health_unpack(uint64_t word); /* of any word: another state is HEALTH_UNKNOWN */

/* health_step(health, ok, rise, fall): one more result; finding and detail are the caller's. Unknown becomes up by the
 * first success. True when the state changed. */
bool health_step(struct health *health, bool ok, int64_t rise, int64_t fall);

/* health_is_fresh(checked_ns, interval_ns, now_ns): a fact older than three intervals says nothing: nobody checks any
 * more. */
bool health_is_fresh(uint64_t checked_ns, int64_t interval_ns, uint64_t now_ns);

/* health_interval_ns(interval_ns, random): the time to the next check: 10% more or less, so that the checks of many
 * endpoints do not fall together. */
uint64_t health_interval_ns(int64_t interval_ns, uint64_t random);

#endif
