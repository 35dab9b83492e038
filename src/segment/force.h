/* SPDX-License-Identifier: MIT
 * What an operator laid over a breaker (resctl force-open, force-closed, drain), until a time or until it is taken
 * away.
 *
 * One word, seg_row.force = {state:8, end in us of CLOCK_MONOTONIC, rounded up, 0 = none:56}, so that who dies leaves
 * the old state or the new one. Its end is judged by every reader with the time at hand; nobody has to write for it.
 * What stands at a destination's row holds for its endpoints too, unless they have their own; not for the targets of
 * its fallback. seg_row.forced is 1 from the first time on, so that the usual case costs one load of a line that is
 * read anyway. Any thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_FORCE_H
#define RESIL_SEGMENT_FORCE_H

#include <stdbool.h>

#include "segment/segment.h"
#include "tables/enums.h"

/* Who did it: for display. */
struct force_author {
    uint32_t uid, pid;
    uint64_t wall_ns;
};

/* force_own(row, now_ns): the administrative state of this row itself, 0 = none; force_at(segment, row, now_ns): the
 * one that holds there, be it its destination's. */
uint32_t force_own_now(const struct seg_row *row, uint64_t now_ns);
static inline uint32_t force_own(const struct seg_row *row, uint64_t now_ns)
{
    bool ever = atomic_load_explicit(&row->forced, memory_order_acquire) != 0;
    return __builtin_expect(ever, 0) ? force_own_now(row, now_ns) : 0;
}
static inline uint32_t force_at(const struct segment *segment, uint32_t index, uint64_t now_ns)
{
    const struct seg_row *row = seg_row(segment, index);
    uint32_t own = force_own(row, now_ns), parent = row->parent;
    if (own != 0 || parent == index || parent >= SEG_ROWS || row->kind != ROW_ENDPOINT)
        return own;
    return force_own(seg_row(segment, parent), now_ns);
}

/* force_end_ns(row): when it ends, 0 = when it is taken away. */
uint64_t force_end_ns(const struct seg_row *row);
struct force_author force_author(const struct seg_row *row);

/* force_set(row, state, until_ns, author): state 0 takes it away; until_ns 0: no end. Returns what stood there at
 * now_ns. */
uint32_t force_set(struct seg_row *row, uint32_t state, uint64_t until_ns, const struct force_author *author,
                   uint64_t now_ns);

/* force_collect(row, now_ns): takes away what has ended; its state to the one caller who did, else 0. */
uint32_t force_collect(struct seg_row *row, uint64_t now_ns);

#endif
