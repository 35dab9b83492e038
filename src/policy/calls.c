/* SPDX-License-Identifier: MIT
 * The window of the last N calls. */
#include "policy/calls.h"

enum { SEEN_BITS = 52 };
#define SEEN_MASK ((1ull << SEEN_BITS) - 1)

static uint64_t seen_by(uint64_t calls, uint32_t generation)
{
    return (uint32_t)(calls >> SEEN_BITS) == (generation & 0xfff) ? calls & SEEN_MASK : 0;
}

uint64_t calls_next(uint64_t calls, uint32_t generation)
{
    return (uint64_t)(generation & 0xfff) << SEEN_BITS | ((seen_by(calls, generation) + 1) & SEEN_MASK);
}

uint32_t calls_bit(uint64_t calls, int64_t length)
{
    return (uint32_t)(((calls & SEEN_MASK) - 1) % (uint64_t)length);
}

bool calls_is_kept(uint64_t calls, uint64_t mark, int64_t length)
{
    return calls >> SEEN_BITS == mark >> SEEN_BITS && (calls & SEEN_MASK) - (mark & SEEN_MASK) < (uint64_t)length;
}

static uint32_t count_bits(const uint64_t *words, uint32_t bits)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i * 64 < bits; i++) {
        uint32_t rest = bits - i * 64;
        uint64_t mask = rest >= 64 ? ~0ull : (1ull << rest) - 1;
        count += (uint32_t)__builtin_popcountll(words[i] & mask);
    }
    return count;
}

struct window_sum calls_sum(uint64_t calls, uint32_t generation, const uint64_t failed[CALLS_WORDS],
                            const uint64_t slow[CALLS_WORDS], int64_t length)
{
    uint64_t seen = seen_by(calls, generation);
    uint32_t filled = seen < (uint64_t)length ? (uint32_t)seen : (uint32_t)length;
    return (struct window_sum){filled, count_bits(failed, filled), count_bits(slow, filled)};
}
