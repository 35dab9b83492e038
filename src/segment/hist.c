/* SPDX-License-Identifier: MIT
 * Buckets 0..3 hold 0..3 us; bucket 4k + j holds [(4 + j) << (k - 1), (5 + j) << (k - 1)) us. */
#include "segment/hist.h"

uint32_t hist_bucket(uint64_t us)
{
    if (us < 4)
        return (uint32_t)us;
    uint32_t top = 63u - (uint32_t)__builtin_clzll(us);
    uint32_t bucket = (top - 1) * 4 + ((uint32_t)(us >> (top - 2)) & 3);
    return bucket < SEG_HIST ? bucket : SEG_HIST - 1;
}

uint64_t hist_value_us(uint32_t bucket)
{
    if (bucket < 4)
        return bucket;
    uint32_t shift = bucket / 4 - 1;
    return ((uint64_t)(4 + bucket % 4) << shift) + (1ull << shift) / 2;
}

uint64_t hist_end_us(uint32_t bucket)
{
    if (bucket < 4)
        return bucket + 1;
    return (uint64_t)(5 + bucket % 4) << (bucket / 4 - 1);
}

void hist_add(struct seg_hist *hist, uint64_t ns)
{
    uint64_t us = ns / 1000;
    atomic_fetch_add_explicit(&hist->bucket[hist_bucket(us)], 1, memory_order_relaxed);
    uint64_t max_us = atomic_load_explicit(&hist->max_us, memory_order_relaxed);
    while (us > max_us && !atomic_compare_exchange_weak(&hist->max_us, &max_us, us))
        ;
}
