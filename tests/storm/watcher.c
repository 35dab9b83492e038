/* SPDX-License-Identifier: MIT
 * watcher SEGMENT LIMIT PLACES PROBES: reads the segment as fast as it can and holds every sample against what may
 * never happen. Until end of its input; then it prints how much it saw, and the first offence. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "policy/breaker.h"
#include "policy/lease.h"
#include "segment/events.h"
#include "segment/ledger.h"
#include "segment/rows.h"
#include "segment/segment.h"

enum { GENERATIONS = 1 << BREAKER_GENERATION_BITS };

struct last {
    uint64_t counter[SEG_COUNTERS];
    uint64_t queue_ticket;
    struct breaker breaker;
    bool known;
};

static struct segment segment;
static struct last last[SEG_ROWS];
static uint64_t limit, places, probes;
static uint64_t samples, offences, events_seen, events_lost, steps, most_slots, most_queued, most_probes;
static uint64_t next_event;
static uint32_t header_last[3];
static char first[256];

static void offend(const char *format, ...)
{
    va_list args;
    if (offences++ > 0)
        return;
    va_start(args, format);
    vsnprintf(first, sizeof first, format, args);
    va_end(args);
}

static void note(uint64_t *most, uint64_t value)
{
    *most = value > *most ? value : *most;
}

static bool legal(uint32_t from, uint32_t to)
{
    return (from == STATE_CLOSED && to == STATE_OPEN) || (from == STATE_OPEN && to == STATE_HALF_OPEN) ||
           (from == STATE_HALF_OPEN && (to == STATE_OPEN || to == STATE_CLOSED));
}

/* Read by two looks at the word: leases that were counted between them are of this generation. */
static void look_at_leases(const struct seg_row *row, uint32_t index, uint64_t word)
{
    struct breaker now = breaker_unpack(word);
    uint64_t held = 0, now_ns = clock_now_ns();
    for (int i = 0; i < SEG_LEASES; i++)
        held += lease_is_held(atomic_load(&row->lease[i]), now.generation, now_ns, 3600000000000ull);
    if (now.state != STATE_HALF_OPEN || breaker_unpack(atomic_load(&row->breaker)).generation != now.generation)
        return;
    note(&most_probes, held);
    if (held > probes)
        offend("row %u: %llu probes", index, (unsigned long long)held);
}

static void look_at_breaker(const struct seg_row *row, uint32_t index, struct last *before)
{
    uint64_t word = atomic_load(&row->breaker);
    struct breaker now = breaker_unpack(word);
    uint32_t forward = (now.generation - before->breaker.generation) & (GENERATIONS - 1);
    if (before->known && forward >= GENERATIONS / 2)
        offend("row %u: generation %u after %u", index, now.generation, before->breaker.generation);
    if (before->known && forward == 0 && now.state != before->breaker.state)
        offend("row %u: state %u became %u within generation %u", index, before->breaker.state, now.state,
               now.generation);
    if (before->known && forward == 1 && !legal(before->breaker.state, now.state))
        offend("row %u: state %u became %u", index, before->breaker.state, now.state);
    steps += before->known ? forward : 0;
    before->breaker = now;
    look_at_leases(row, index, word);
}

static void look_at_counters(const struct seg_row *row, uint32_t index, struct last *before)
{
    for (int i = 0; i < SEG_COUNTERS; i++) {
        uint64_t value = atomic_load(&row->counter[i]);
        if (value < before->counter[i])
            offend("row %u: counter %d went from %llu to %llu", index, i, (unsigned long long)before->counter[i],
                   (unsigned long long)value);
        before->counter[i] = value;
    }
    uint64_t ticket = atomic_load(&row->queue_ticket);
    if (ticket < before->queue_ticket)
        offend("row %u: ticket %llu after %llu", index, (unsigned long long)ticket,
               (unsigned long long)before->queue_ticket);
    before->queue_ticket = ticket;
}

/* A count below 0 would be a very large one: the words hold 17 bits. */
static void look_at_accounts(const struct seg_row *row, uint32_t index)
{
    uint64_t slots = ledger_count(atomic_load(&row->account));
    uint64_t queued = ledger_count(atomic_load(&row->queue));
    note(&most_slots, slots);
    note(&most_queued, queued);
    if (slots > limit)
        offend("row %u: %llu slots", index, (unsigned long long)slots);
    if (queued > places)
        offend("row %u: %llu queued", index, (unsigned long long)queued);
}

static void look_at_header(void)
{
    const struct seg_header *header = seg_header(&segment);
    const uint32_t now[3] = {atomic_load(&header->ledger_used), atomic_load(&header->rows_used),
                             atomic_load(&header->processes_used)};
    for (int i = 0; i < 3; i++) {
        if (now[i] < header_last[i])
            offend("high-water mark %d went from %u to %u", i, header_last[i], now[i]);
        header_last[i] = now[i];
    }
}

static void look_at_events(void)
{
    uint64_t end = atomic_load(&seg_header(&segment)->event_seq[RING_LIFE]);
    if (end - next_event > SEG_EVENTS_LIFE) {
        events_lost += end - SEG_EVENTS_LIFE - next_event;
        next_event = end - SEG_EVENTS_LIFE;
    }
    while (next_event + 8 < end) { /* the last few may still be in writing */
        struct seg_event event;
        if (!event_read(&segment, RING_LIFE, next_event++, &event)) {
            events_lost++; /* its writer was killed */
            continue;
        }
        events_seen++;
        if (event.kind == EVENT_STATE && !legal(event.from, event.to))
            offend("event: state %u became %u", event.from, event.to);
    }
}

static void sample(void)
{
    uint32_t used = atomic_load(&seg_header(&segment)->rows_used);
    for (uint32_t i = 0; i < used && i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(&segment, i);
        if (!rows_ready(row))
            continue;
        look_at_breaker(row, i, &last[i]);
        look_at_accounts(row, i);
        look_at_counters(row, i, &last[i]);
        last[i].known = true;
    }
    look_at_header();
    look_at_events();
    samples++;
}

int main(int argc, char **argv)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (argc != 5 || segment_open(&segment, argv[1], false) != SEGMENT_OK)
        return 2;
    limit = (uint64_t)atoi(argv[2]);
    places = (uint64_t)atoi(argv[3]);
    probes = (uint64_t)atoi(argv[4]);
    puts("ready");
    fflush(stdout);
    /* Bursts, and a little rest between them: the storm needs the processors as well. */
    while (poll(&input, 1, 1) == 0)
        for (int i = 0; i < 200; i++)
            sample();
    printf("{\"samples\": %llu, \"offences\": %llu, \"first\": \"%s\", \"events\": %llu, \"lost\": %llu, "
           "\"steps\": %llu, \"slots\": %llu, \"queued\": %llu, \"probes\": %llu}\n",
           (unsigned long long)samples, (unsigned long long)offences, first, (unsigned long long)events_seen,
           (unsigned long long)events_lost, (unsigned long long)steps, (unsigned long long)most_slots,
           (unsigned long long)most_queued, (unsigned long long)most_probes);
    return 0;
}
