/* SPDX-License-Identifier: MIT
 * The event rings. Writers: any thread of any process, signal safe, never waiting. Readers: resctl.
 *
 * A writer takes a number, marks the place unfinished (seq 0), fills it and publishes the number; a
 * writer that dies leaves seq 0 and loses its own event only. A reader copies, and believes the copy
 * when seq was the same before and after.
 */
#ifndef RESIL_SEGMENT_EVENTS_H
#define RESIL_SEGMENT_EVENTS_H

#include <stdbool.h>

#include "segment/segment.h"
#include "tables/enums.h"

enum event_ring { RING_LIFE, RING_REFUSAL, RINGS };

struct event {
    enum event_kind kind;
    uint32_t row;      /* whose names it bears; UINT32_MAX = none */
    uint32_t from, to; /* states */
    uint32_t reason;
    uint32_t error;
    uint64_t count;
    const char *program;
    const char *name, *label; /* in place of the row's; NULL: those */
};

void event_write(const struct segment *segment, const struct event *event);

/* event_refusal(segment, event): as event_write(), but at most about a thousand a second for each row, with the number
 * of refusals that each stands for. */
void event_refusal(const struct segment *segment, struct event *event, uint64_t now_ns);

/* event_read(segment, ring, number, out): copies event `number` of a ring; false when it is overwritten or unfinished.
 */
bool event_read(const struct segment *segment, enum event_ring ring, uint64_t number, struct seg_event *out);

#endif
