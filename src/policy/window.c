/* SPDX-License-Identifier: MIT
 * Arithmetic of window buckets. */
#include "policy/window.h"

enum { EPOCH_BITS = 22, GENERATION_BITS = 6, COUNT_BITS = 12 };
#define MASK(bits) ((1ull << (bits)) - 1)

struct bucket {
    uint32_t epoch, generation, ok, failed, slow;
};

static struct bucket unpack(uint64_t word)
{
    return (struct bucket){
        .epoch = (uint32_t)(word >> 42),
        .generation = (uint32_t)(word >> 36 & MASK(GENERATION_BITS)),
        .ok = (uint32_t)(word >> 24 & MASK(COUNT_BITS)),
        .failed = (uint32_t)(word >> 12 & MASK(COUNT_BITS)),
        .slow = (uint32_t)(word & MASK(COUNT_BITS)),
    };
}

static uint64_t pack(struct bucket bucket)
{
    return (uint64_t)bucket.epoch << 42 | (uint64_t)bucket.generation << 36 | (uint64_t)bucket.ok << 24 |
           (uint64_t)bucket.failed << 12 | bucket.slow;
}

uint64_t window_epoch(uint64_t now_ns, int64_t window_ns)
{
    uint64_t tenth_ns = (uint64_t)window_ns / WINDOW_BUCKETS;
    return tenth_ns ? now_ns / tenth_ns : 0;
}

static bool is_of(struct bucket bucket, uint64_t epoch, uint32_t generation)
{
    return bucket.epoch == (epoch & MASK(EPOCH_BITS)) && bucket.generation == (generation & MASK(GENERATION_BITS));
}

uint64_t window_fail(uint64_t word, uint64_t epoch, uint32_t generation)
{
    struct bucket bucket = unpack(word);
    if (word == 0 || !is_of(bucket, epoch, generation) || bucket.ok == 0 || bucket.failed == WINDOW_COUNT_MAX)
        return word;
    bucket.ok--;
    bucket.failed++;
    return pack(bucket);
}

/* The usual case: a good call more in a tenth that knows no other. */
static bool is_spotless(uint64_t word, uint64_t epoch, uint32_t generation)
{
    uint64_t head = (epoch & MASK(EPOCH_BITS)) << GENERATION_BITS | (generation & MASK(GENERATION_BITS));
    uint64_t ok = word >> 24 & MASK(COUNT_BITS);
    return word >> 36 == head && (word & WINDOW_TROUBLE) == 0 && ok > 0 && ok < WINDOW_COUNT_MAX;
}

uint64_t window_add(uint64_t word, uint64_t epoch, uint32_t generation, bool failed, bool slow)
{
    if (!failed && !slow && is_spotless(word, epoch, generation))
        return word + (1ull << 24);
    struct bucket bucket = unpack(word);
    if (word == 0 || !is_of(bucket, epoch, generation))
        bucket = (struct bucket){.epoch = (uint32_t)(epoch & MASK(EPOCH_BITS)),
                                 .generation = generation & (uint32_t)MASK(GENERATION_BITS)};
    if (bucket.ok == WINDOW_COUNT_MAX || bucket.failed == WINDOW_COUNT_MAX || bucket.slow == WINDOW_COUNT_MAX) {
        bucket.ok /= 2;
        bucket.failed /= 2;
        bucket.slow /= 2;
    }
    bucket.ok += !failed;
    bucket.failed += failed;
    bucket.slow += slow;
    return pack(bucket);
}

void window_add_to(struct window_sum *sum, uint64_t word, uint64_t epoch, uint32_t generation)
{
    struct bucket bucket = unpack(word);
    uint32_t age = (uint32_t)((epoch - bucket.epoch) & MASK(EPOCH_BITS));
    if (word == 0 || age >= WINDOW_BUCKETS || bucket.generation != (generation & MASK(GENERATION_BITS)))
        return;
    sum->calls += bucket.ok + bucket.failed;
    sum->failed += bucket.failed;
    sum->slow += bucket.slow;
}
