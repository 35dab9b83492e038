/* SPDX-License-Identifier: MIT
 * Random numbers as a pure function: a counter-based generator (splitmix64, Steele et al., "Fast
 * splittable pseudorandom number generators", 2014). No state, no lock: the caller owns the counter.
 * Any thread; signal safe. */
#ifndef RESIL_BASE_PRNG_H
#define RESIL_BASE_PRNG_H

#include <stdint.h>

static inline uint64_t prng_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* The number at (seed, a, b): independent streams for different a, numbers of one stream by b. */
static inline uint64_t prng_at(uint64_t seed, uint64_t a, uint64_t b)
{
    return prng_mix(prng_mix(prng_mix(seed) ^ a) ^ b);
}

/* random scaled to [0, bound), bound > 0 and below 2^48: multiplication of the upper 32 bits is exact
 * enough for delays and percentages, and needs no loop. */
static inline uint64_t prng_below(uint64_t random, uint64_t bound)
{
    uint64_t high = random >> 32;
    return (high * (bound >> 16) >> 16) + ((high * (bound & 0xffff)) >> 32);
}

#endif
