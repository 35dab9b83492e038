/* SPDX-License-Identifier: MIT
 * The word of an administrative state. */
#include "segment/force.h"

enum { UNTIL_BITS = 56 };
#define UNTIL_MASK ((1ull << UNTIL_BITS) - 1)

static uint64_t pack(uint32_t state, uint64_t until_ns)
{
    return state ? (uint64_t)state << UNTIL_BITS | (until_ns + 999) / 1000 : 0;
}

static bool is_over(uint64_t word, uint64_t now_ns)
{
    uint64_t until_us = word & UNTIL_MASK;
    return until_us != 0 && now_ns / 1000 >= until_us;
}

/* The bytes are anybody's: only what is a state counts. */
static uint32_t state_of(uint64_t word, uint64_t now_ns)
{
    uint32_t state = (uint32_t)(word >> UNTIL_BITS);
    return state > STATE_HALF_OPEN && state < STATE_COUNT && !is_over(word, now_ns) ? state : 0;
}

uint32_t force_own_now(const struct seg_row *row, uint64_t now_ns)
{
    return state_of(atomic_load_explicit(&row->force, memory_order_acquire), now_ns);
}

uint64_t force_end_ns(const struct seg_row *row)
{
    return (atomic_load_explicit(&row->force, memory_order_relaxed) & UNTIL_MASK) * 1000;
}

struct force_author force_author(const struct seg_row *row)
{
    uint64_t by = atomic_load_explicit(&row->force_by, memory_order_relaxed);
    return (struct force_author){(uint32_t)(by >> 32), (uint32_t)by,
                                 atomic_load_explicit(&row->force_wall_ns, memory_order_relaxed)};
}

uint32_t force_set(struct seg_row *row, uint32_t state, uint64_t until_ns, const struct force_author *author,
                   uint64_t now_ns)
{
    if (author) {
        atomic_store_explicit(&row->force_by, (uint64_t)author->uid << 32 | author->pid, memory_order_relaxed);
        atomic_store_explicit(&row->force_wall_ns, author->wall_ns, memory_order_relaxed);
    }
    uint32_t before = state_of(atomic_exchange(&row->force, pack(state, until_ns)), now_ns);
    if (state)
        atomic_store(&row->forced, 1); /* who dies before this has done nothing */
    return before;
}

uint32_t force_collect(struct seg_row *row, uint64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&row->force, memory_order_relaxed);
    if (word == 0 || !is_over(word, now_ns))
        return 0;
    uint32_t state = (uint32_t)(word >> UNTIL_BITS);
    return atomic_compare_exchange_strong(&row->force, &word, 0) && state < STATE_COUNT ? state : 0;
}
