/* SPDX-License-Identifier: MIT
 * Reading the rings. */
#include <stdlib.h>

#include "events.h"
#include "print.h"

/* A writer finishes within microseconds, unless it was stopped or died. */
enum { PATIENCE = 5 };

static const uint64_t capacity[RINGS] = {[RING_LIFE] = SEG_EVENTS_LIFE, [RING_REFUSAL] = SEG_EVENTS_REFUSAL};

static int by_time(const void *a, const void *b)
{
    const struct seg_event *left = a, *right = b;
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

static void gather_ring(const struct segment *segment, enum event_ring ring, struct event_cursor *cursor, bool patient,
                        struct event_batch *batch)
{
    uint64_t end = atomic_load(&seg_header(segment)->event_seq[ring]);
    uint64_t *next = &cursor->next[ring];
    /* A number that went back is a damaged header: start over from there. */
    if (*next > end)
        *next = end;
    if (end - *next > capacity[ring]) {
        cursor->lost += *next ? end - *next - capacity[ring] : 0;
        *next = end - capacity[ring];
    }
    for (; *next < end; (*next)++) {
        if (event_read(segment, ring, *next, &batch->event[batch->count]))
            batch->count++;
        else if (patient && cursor->waited[ring]++ < PATIENCE)
            return;
        cursor->waited[ring] = 0;
    }
}

struct event_batch events_gather(const struct segment *segment, struct event_cursor *cursor, bool patient)
{
    struct event_batch batch = {.event = take_memory(SEG_EVENTS_LIFE + SEG_EVENTS_REFUSAL, sizeof *batch.event)};
    gather_ring(segment, RING_LIFE, cursor, patient, &batch);
    gather_ring(segment, RING_REFUSAL, cursor, patient, &batch);
    qsort(batch.event, batch.count, sizeof *batch.event, by_time);
    return batch;
}
