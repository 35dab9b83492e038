/* SPDX-License-Identifier: MIT
 * The circuit breaker as pure steps over one 64-bit word.
 *
 * The whole state of a breaker is one word, so that a step is one compare-and-swap and a process that
 * dies between any two instructions leaves either the old state or the new one, never a half. The
 * word is a union by state (see breaker_pack()); struct breaker is its unpacked form.
 *
 * Comparison rules (after resilience4j and Envoy): counts and ratios trip at >=, slow is strictly
 * longer than slow_time, half-open is reached at now >= until, every completion evaluates the trip.
 *
 * All functions: pure, any thread, signal safe, no allocation.
 */
#ifndef RESIL_POLICY_BREAKER_H
#define RESIL_POLICY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"
#include "policy/window.h"
#include "tables/enums.h"

enum { BREAKER_GENERATION_BITS = 12 };

struct breaker {
    uint32_t state;       /* STATE_CLOSED, STATE_OPEN or STATE_HALF_OPEN */
    uint32_t generation;  /* +1 at every transition, modulo 2^12: results of another one are late */
    uint32_t exponent;    /* re-openings since the last close, at most 255 */
    uint32_t consecutive; /* CLOSED: failures since the last success, saturating at 65535 */
    uint32_t successes;   /* HALF_OPEN: results of probes */
    uint32_t failures;
    uint32_t slow;
    uint64_t until_us; /* OPEN: half-open from here on, rounded up, modulo 2^42 (50 days) */
};

/* What a call carries from its admission to its end. */
struct ticket {
    uint32_t generation;
    bool probe;
};

struct breaker_step {
    struct breaker next;
    bool changed;         /* next differs from the old state: commit it */
    enum reason reason;   /* of a transition, else REASON_NONE */
    enum verdict verdict; /* of an admission */
    bool needs_lease;     /* ADMIT only with a lease of next.generation */
    uint32_t lease_limit; /* leases that may be held at once */
    bool late;            /* of a result: an older generation, or no probe in half-open: statistics only */
};

uint64_t breaker_pack(const struct breaker *breaker);
struct breaker breaker_unpack(uint64_t word);

/* breaker_admit(breaker, conf, now_ns): may this call go? OPEN becomes HALF_OPEN here and only here. */
struct breaker_step breaker_admit(const struct breaker *breaker, const struct conf *conf, uint64_t now_ns);

/* breaker_result(breaker, conf, ticket, outcome, slow, sum, now_ns, random, retry_after_ns): the end of an admitted
 * call. sum is the window with this call already counted. IGNORED changes nothing: the caller gives the lease back.
 * retry_after_ns: what the backend asked for with this answer, 0 = nothing: the open time if this call trips. */
struct breaker_step breaker_result(const struct breaker *breaker, const struct conf *conf, struct ticket ticket,
                                   enum outcome outcome, bool slow, const struct window_sum *sum, uint64_t now_ns,
                                   uint64_t random, uint64_t retry_after_ns);

/* breaker_is_at_rest(word, generation): closed, of that generation, no failure in a row: a success leaves it as it is.
 */
bool breaker_is_at_rest(uint64_t word, uint32_t generation);

/* breaker_reset(breaker, reason): closed, counts cleared, a new generation: earlier results are late. */
struct breaker_step breaker_reset(const struct breaker *breaker, enum reason reason);

/* breaker_trip(breaker, conf, open_ns, now_ns, random): open by hand, as after a failure; open_ns 0: for as long as the
 * rules say. */
struct breaker_step breaker_trip(const struct breaker *breaker, const struct conf *conf, uint64_t open_ns,
                                 uint64_t now_ns, uint64_t random);

/* breaker_longest_ns(conf): no open time beyond it is believed. */
uint64_t breaker_longest_ns(const struct conf *conf);

/* breaker_wait_ns(breaker, conf, now_ns): time until a probe would be let in; 0 when not open or due. */
uint64_t breaker_wait_ns(const struct breaker *breaker, const struct conf *conf, uint64_t now_ns);

/* breaker_open_ns(conf, exponent, random): how long the breaker stays open. */
uint64_t breaker_open_ns(const struct conf *conf, uint32_t exponent, uint64_t random);

#endif
