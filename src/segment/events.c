/* SPDX-License-Identifier: MIT
 * Writing and reading events. */
#include "segment/events.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "real/raw.h"

#define REFUSAL_EVERY_NS 1000000ull

static struct seg_event *place(const struct segment *segment, enum event_ring ring, uint64_t number)
{
    return ring == RING_LIFE ? seg_event_life(segment, (uint32_t)(number % SEG_EVENTS_LIFE))
                             : seg_event_refusal(segment, (uint32_t)(number % SEG_EVENTS_REFUSAL));
}

static enum event_ring ring_of(enum event_kind kind)
{
    static const unsigned char rings[EVENT_COUNT] = {
#define EVENT(id, name, ring) RING_##ring,
#include "tables/events.tbl.h"
    };
    return (enum event_ring)rings[kind];
}

void event_write(const struct segment *segment, const struct event *event)
{
    enum event_ring ring = ring_of(event->kind);
    uint64_t number = atomic_fetch_add(&seg_header(segment)->event_seq[ring], 1);
    struct seg_event *out = place(segment, ring, number);
    atomic_store(&out->seq, 0);
    atomic_thread_fence(memory_order_release);
    out->time_ns = clock_now_ns();
    out->wall_ns = clock_wall_ns();
    out->kind = (uint32_t)event->kind;
    out->pid = (uint32_t)raw_getpid();
    out->from = event->from;
    out->to = event->to;
    out->reason = event->reason;
    out->error = event->error;
    out->count = event->count ? event->count : 1;
    text_copy(out->program, sizeof out->program, event->program ? event->program : "");
    const struct seg_row *row = event->row < SEG_ROWS ? seg_row(segment, event->row) : NULL;
    text_copy(out->name, sizeof out->name, event->name ? event->name : row ? row->name : "");
    text_copy(out->label, sizeof out->label, event->label ? event->label : row ? row->label : "");
    atomic_store_explicit(&out->seq, number + 1, memory_order_release);
}

void event_refusal(const struct segment *segment, struct event *event, uint64_t now_ns)
{
    struct seg_row *row = seg_row(segment, event->row);
    uint64_t last_ns = atomic_load_explicit(&row->refused_event_ns, memory_order_relaxed);
    if ((last_ns != 0 && now_ns - last_ns < REFUSAL_EVERY_NS) ||
        !atomic_compare_exchange_strong(&row->refused_event_ns, &last_ns, now_ns)) {
        atomic_fetch_add_explicit(&row->refused_since, 1, memory_order_relaxed);
        return;
    }
    event->count = atomic_exchange_explicit(&row->refused_since, 0, memory_order_relaxed) + 1;
    event_write(segment, event);
}

bool event_read(const struct segment *segment, enum event_ring ring, uint64_t number, struct seg_event *out)
{
    const struct seg_event *source = place(segment, ring, number);
    uint64_t before = atomic_load_explicit(&source->seq, memory_order_acquire);
    if (before != number + 1)
        return false;
    memcpy((void *)out, (const void *)source, sizeof *out);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&source->seq, memory_order_relaxed) != before)
        return false;
    out->program[sizeof out->program - 1] = out->name[sizeof out->name - 1] = out->label[sizeof out->label - 1] = '\0';
    return out->kind < EVENT_COUNT;
}
