/* SPDX-License-Identifier: MIT
 * The limit that follows the measured latency: bulkhead.adaptive. Pure; any thread; signal safe.
 *
 * aimd      a window with a drop: x 0.9; else + 1 (Netflix concurrency-limits, AIMDLimit).
 * gradient  room = limit x 1.25 x baseline / latency, within half and twice the limit; the limit becomes room + the
 *           root of room (Envoy's adaptive concurrency, gradient controller); a window with a drop: x 0.9.
 * vegas     queue = limit x (1 - baseline / latency); with lg = log10 of the limit, at least 1: + 6 lg while the queue
 * is at most lg, + lg below 3 lg, - lg above 6 lg or with a drop (concurrency-limits, VegasLimit).
 *
 * All three look once a window: after at least one second and ten samples, at the mean latency and the most calls that
 * were in flight. None grows while in flight x 2 < limit, none leaves bulkhead.min..max (max wins). A latency from
 * before the last change of the limit, or a drop from before the last reduction, is ignored: it was caused by another
 * limit.
 *
 * The baseline is the lowest mean of a window; a window with half of what was in flight measures it anew, so that it
 * can stick neither at a latency that the backend does not reach again, nor at one that held our own queue already.
 * That window is the 6th, then each 61st; where the limit is not what holds the load back, it costs more than it
 * brings, and comes more and more seldom (to one in 3,840) while it finds nothing new. One that finds a lower latency
 * is repeated soon: half may still be too many. Five windows at the minimum measure it without further ado. */
#ifndef RESIL_POLICY_ADAPTIVE_H
#define RESIL_POLICY_ADAPTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"

enum { ADAPTIVE_WORDS = 5 };

struct adaptive {
    uint32_t limit;                        /* 0: not begun */
    uint32_t held;                         /* the limit to return to: the baseline is being measured; 0: it is not */
    uint32_t window_ms;                    /* when the window began, goes round */
    uint32_t answered, dropped, in_flight; /* of the window; dropped counts to 15 only */
    uint64_t sum_us;                       /* of the latencies of the window */
    uint64_t changed_ns, reduced_ns;       /* the limit's last change, its last reduction or drop */
    uint64_t baseline_us;                  /* 0: unknown */
    uint32_t windows, at_min;              /* since the baseline was measured; of them in a row at the minimum */
    uint32_t calm;                         /* special windows in a row that found nothing new */
};

/* A call that ended: with an answer, or dropped (timed out, or told to ask for less). */
struct adaptive_sample {
    uint64_t started_ns;
    uint64_t latency_ns;
    uint32_t in_flight; /* itself included */
    bool dropped;
};

/* adaptive_step(old, conf, sample, now_ns): the state after a sample. The limit changes at the end of a window only. */
struct adaptive adaptive_step(const struct adaptive *old, const struct conf *conf, const struct adaptive_sample *sample,
                              uint64_t now_ns);

/* Words: limit:16 held:16 window_ms:32 | answered:9 dropped:4 in_flight:16 sum_us:35 | changed_ns | reduced_ns |
 * baseline_us:40 windows:16 at_min:4 calm:4. The first holds all that decides; the others are statistics. */
void adaptive_pack(const struct adaptive *state, uint64_t words[ADAPTIVE_WORDS]);
struct adaptive adaptive_unpack(const uint64_t words[ADAPTIVE_WORDS]);

/* adaptive_limit(first_word, conf): the limit that a first word stands for, whatever is in it: within the bounds; of
 * one not begun bulkhead.limit, else 20. */
uint32_t adaptive_limit(uint64_t first_word, const struct conf *conf);

#endif
