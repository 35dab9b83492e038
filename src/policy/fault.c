/* SPDX-License-Identifier: MIT
 * Which faults strike, and how much. */
#include "policy/fault.h"

#include "base/prng.h"
#include "policy/conf.h"

/* Streams of their own for what is drawn later in the life of a connection. */
#define SALT_LATENCY 0x6c6174656e6379ull
#define SALT_SLICE   0x736c696365ull
#define SALT_CORRUPT 0x636f7272757074ull

#define NS_PER_HOUR 3600e9

uint64_t fault_stream(uint64_t seed, uint32_t name_hash, uint64_t ordinal)
{
    return prng_at(seed, name_hash, ordinal);
}

bool fault_strikes(const struct fault *fault, uint64_t stream, uint64_t ordinal, uint32_t index, uint64_t age_ns)
{
    if (ordinal < (uint64_t)fault->after || (fault->for_ns > 0 && age_ns >= (uint64_t)fault->for_ns))
        return false;
    return prng_below(prng_at(stream, 0, index), PPM) < fault->probability_ppm;
}

int64_t fault_delay_ns(const struct fault *fault, uint64_t stream, uint32_t index, uint64_t exchange)
{
    if (fault->spread_ns <= 0)
        return fault->delay_ns;
    uint64_t random = prng_at(stream ^ SALT_LATENCY, index, exchange);
    uint64_t width_us = 2 * (uint64_t)fault->spread_ns / 1000 + 1; /* prng_below() takes no more than 48 bits */
    int64_t delay_ns = fault->delay_ns - fault->spread_ns + 1000 * (int64_t)prng_below(random, width_us);
    return delay_ns > 0 ? delay_ns : 0;
}

size_t fault_slice(const struct fault *fault, uint64_t stream, uint64_t piece)
{
    uint64_t width = (uint64_t)(fault->amount - fault->low) + 1;
    return (size_t)fault->low + (size_t)prng_below(prng_at(stream ^ SALT_SLICE, 0, piece), width);
}

size_t fault_burst(const struct fault *fault)
{
    int64_t burst = fault->amount / (3600 * 100); /* of 10 ms */
    return burst > 0 ? (size_t)burst : 1;
}

uint64_t fault_cost_ns(const struct fault *fault, uint64_t bytes)
{
    return (uint64_t)((double)bytes * (NS_PER_HOUR / (double)fault->amount));
}

size_t fault_corrupt(const struct fault *fault, uint64_t stream, uint64_t offset, uint8_t *data, size_t bytes)
{
    size_t harmed = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint64_t random = prng_at(stream ^ SALT_CORRUPT, 0, offset + i);
        if (prng_below(random, (uint64_t)fault->amount) >= (uint64_t)fault->low)
            continue;
        data[i] = (uint8_t)(data[i] ^ 1u << (random & 7));
        harmed++;
    }
    return harmed;
}
