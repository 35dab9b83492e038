/* SPDX-License-Identifier: MIT
 * The bulkhead's limit of a destination, fixed or adaptive: compare-and-swap around policy/adaptive.h.
 *
 * The state stands in the destination's row. Each sample is one compare-and-swap of the window's word; the one that
 * ends a window takes the window with it, stores the statistics, and then swaps the word of the limit: who dies in
 * between loses one window. Any thread; signal safe; no allocation. */
#ifndef RESIL_SEGMENT_LIMIT_H
#define RESIL_SEGMENT_LIMIT_H

#include "policy/adaptive.h"
#include "segment/segment.h"

/* limit_now(destination, conf): how many slots there are, <= 0: no limit. */
int64_t limit_now(const struct seg_row *destination, const struct conf *conf);

/* limit_sample(destination, account, conf, started_ns, dropped, now_ns): a call that holds a slot of the account (the
 * destination's own row, or a share of it) began at started_ns and ends now. Nothing where the limit is fixed. */
void limit_sample(struct seg_row *destination, const struct seg_row *account, const struct conf *conf,
                  uint64_t started_ns, bool dropped, uint64_t now_ns);

#endif
