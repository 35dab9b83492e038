/* SPDX-License-Identifier: MIT
 * Which faults strike. */
#include "policy/fault.h"

#include "base/prng.h"
#include "policy/conf.h"

bool fault_strikes(const struct fault *fault, uint64_t seed, uint64_t ordinal, uint32_t index)
{
    if (ordinal < (uint64_t)fault->after)
        return false;
    return prng_below(prng_at(seed, ordinal, index), PPM) < fault->probability_ppm;
}

int64_t fault_delay_ns(const struct fault *fault, uint64_t seed, uint64_t ordinal, uint64_t exchange)
{
    if (fault->spread_ns <= 0)
        return fault->delay_ns;
    uint64_t random = prng_at(seed ^ 0x6c6174656e6379ull, ordinal, exchange);
    int64_t delay_ns = fault->delay_ns - fault->spread_ns;
    delay_ns += (int64_t)prng_below(random, 2 * (uint64_t)fault->spread_ns + 1);
    return delay_ns > 0 ? delay_ns : 0;
}
