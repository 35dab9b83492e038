/* SPDX-License-Identifier: MIT
 * Learned timeouts: a decaying sample of latencies in the destination's row, and what it says now.
 *
 * The sample is the row's own histogram (the endpoints' rows hold those that are shown). Any process adds to it, by
 * atomic adds; every 64th sample (8th, where they timed out) somebody looks for the quantile and stores it, and halves
 * the sample when it holds 4096 or more. Whoever dies in between leaves statistics that the next look repairs. Any
 * thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_LEARN_H
#define RESIL_SEGMENT_LEARN_H

#include "policy/timeout.h"
#include "segment/segment.h"

enum learn_kind { LEARN_CONNECT, LEARN_RESPONSE };

/* learn_key(conf, kind): the first key of the kind that is auto, CONF_OFF when none is: then nothing is to be learned.
 */
int64_t learn_key(const struct conf *conf, enum learn_kind kind);

/* learn_add(destination, kind, key, latency_ns, timed_out): a sample, for the quantile that the auto value `key` asks
 * for. timed_out: it took so long at least. */
void learn_add(struct seg_row *destination, enum learn_kind kind, int64_t key, uint64_t latency_ns, bool timed_out);

/* learn_quantile_ns(destination, kind, quantile_permille): the quantile of the sample, 0 = too few; a load when it is
 * the one that learn_add() keeps, else a look through the histogram. */
uint64_t learn_quantile_ns(const struct seg_row *destination, enum learn_kind kind, uint32_t quantile_permille);

int64_t learn_auto_ns(const struct seg_row *destination, enum learn_kind kind, int64_t value);

/* learn_ns(destination, kind, value): what the value of a key of the kind amounts to now; <= 0 is off. */
static inline int64_t learn_ns(const struct seg_row *destination, enum learn_kind kind, int64_t value)
{
    return timeout_is_auto(value) ? learn_auto_ns(destination, kind, value) : value;
}

#endif
