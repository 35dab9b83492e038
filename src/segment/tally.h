/* SPDX-License-Identifier: MIT
 * A breaker's results in its row: the window of time or of calls, and lumping. Compare-and-swap loops around
 * policy/window.h and policy/calls.h. Any thread; signal safe; no allocation. */
#ifndef RESIL_SEGMENT_TALLY_H
#define RESIL_SEGMENT_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"
#include "policy/window.h"
#include "segment/segment.h"

/* tally_is_wanted(conf): whether anything that is switched on looks at the window. */
bool tally_is_wanted(const struct conf *conf);

/* tally_sum(row, conf, generation, now_ns, sum): the window as a reader sees it. */
void tally_sum(const struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t now_ns,
               struct window_sum *sum);

/* tally_is_clean(row, conf): surely no failed and no slow call in the window: a further good one cannot trip. */
bool tally_is_clean(const struct seg_row *row, const struct conf *conf);

/* tally_count(row, conf, generation, failed, slow, now_ns): one more call. Returns where it was counted, for
 * tally_fail(); never 0. */
uint64_t tally_count(struct seg_row *row, const struct conf *conf, uint32_t generation, bool failed, bool slow,
                     uint64_t now_ns);

/* tally_fail(row, conf, generation, counted): a call that was counted in flight, as slow, has failed. */
void tally_fail(struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t counted);

/* tally_is_fresh(row, conf, generation, now_ns): whether a failure now counts (breaker.lumping). */
bool tally_is_fresh(struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t now_ns);

#endif
