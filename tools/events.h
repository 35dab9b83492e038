/* SPDX-License-Identifier: MIT
 * Both rings of a segment, merged by time. */
#ifndef RESCTL_EVENTS_H
#define RESCTL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "segment/events.h"

/* Where a reader stands in each ring. */
struct event_cursor {
    uint64_t next[RINGS];
    unsigned waited[RINGS]; /* polls that an unfinished event has been waited for */
    uint64_t lost;          /* overwritten before they were read */
};

struct event_batch {
    struct seg_event *event; /* for free() */
    size_t count;
};

/* events_gather(segment, cursor, patient): the events that are new since the last call, oldest first. patient: an
 * event that its writer has not finished is waited for, some calls long, and those behind it with it. */
struct event_batch events_gather(const struct segment *segment, struct event_cursor *cursor, bool patient);

#endif
