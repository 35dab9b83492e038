/* SPDX-License-Identifier: MIT
 * Orders that depend on weights alone (cycle, stride, maglev), and the numbers that others are judged by. */
#include "policy/balance.h"

#include "base/prng.h"

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint32_t balance_cycle(const uint16_t *weight, const uint8_t *member, uint32_t count, uint8_t out[BALANCE_CYCLE])
{
    int32_t current[BALANCE_HOSTS] = {0};
    uint32_t whole = 0, divisor = 0;
    for (uint32_t i = 0; i < count; i++) {
        whole += member[i] ? weight[i] : 0u;
        divisor = member[i] ? common_divisor(weight[i], divisor) : divisor;
    }
    uint32_t length = divisor ? whole / divisor : 0;
    if (length > BALANCE_CYCLE)
        return 0;
    for (uint32_t turn = 0; turn < length; turn++) {
        uint32_t best = BALANCE_HOSTS;
        for (uint32_t i = 0; i < count; i++) {
            if (!member[i])
                continue;
            current[i] += weight[i];
            if (best == BALANCE_HOSTS || current[i] > current[best])
                best = i;
        }
        current[best] -= (int32_t)whole;
        out[turn] = (uint8_t)best;
    }
    return length;
}

/* Time runs from 0 to 1 in steps of 2^-42: tokens of weights up to 2^20 that are not due at once are farther apart. */
enum { TIME_BITS = 42 };

/* Tokens of one endpoint that are due by then. */
static uint64_t due(uint32_t weight, uint64_t time)
{
    return ((uint64_t)weight * time + (1ull << (TIME_BITS - 1))) >> TIME_BITS;
}

static uint64_t all_due(const uint32_t *weight, uint32_t count, uint64_t time)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += due(weight[i], time);
    return sum;
}

uint32_t balance_stride(const uint32_t *weight, uint32_t count, uint64_t number)
{
    uint64_t whole = 0;
    for (uint32_t i = 0; i < count; i++)
        whole += weight[i];
    if (whole == 0)
        return BALANCE_HOSTS;
    number %= whole;
    uint64_t early = 0, late = 1ull << TIME_BITS; /* all_due(early) <= number < all_due(late) */
    while (late - early > 1) {
        uint64_t middle = early + (late - early) / 2;
        if (all_due(weight, count, middle) > number)
            late = middle;
        else
            early = middle;
    }
    uint64_t place = number - all_due(weight, count, early);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t here = due(weight[i], late) - due(weight[i], early);
        if (place < here)
            return i;
        place -= here;
    }
    return BALANCE_HOSTS;
}

uint64_t balance_hash(const void *bytes, uint64_t length)
{
    const uint8_t *at = bytes;
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    for (uint64_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ull;
    return prng_mix(hash);
}

void balance_maglev(const uint16_t *weight, const uint64_t *hash, uint32_t count, uint8_t *table, uint32_t size,
                    uint8_t *taken)
{
    uint32_t place[BALANCE_HOSTS];
    uint64_t target[BALANCE_HOSTS] = {0};
    uint64_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        place[i] = (uint32_t)(hash[i] % size);
        most = weight[i] > most ? weight[i] : most;
    }
    /* In round r an endpoint takes its turn when r x weight has reached its target; the heaviest always has. */
    for (uint64_t round = 1, filled = 0; most > 0; round++) {
        for (uint32_t i = 0; i < count; i++) {
            if (weight[i] == 0 || round * weight[i] < target[i])
                continue;
            uint32_t step = (uint32_t)(prng_mix(hash[i]) % (size - 1)) + 1;
            while (taken[place[i] / 8] & 1u << place[i] % 8)
                place[i] = (place[i] + step) % size;
            taken[place[i] / 8] |= (uint8_t)(1u << place[i] % 8);
            table[place[i]] = (uint8_t)i;
            target[i] += most;
            if (++filled == size)
                return;
        }
    }
}

uint16_t balance_share(int64_t window_ns, uint64_t up_since_ns, uint64_t now_ns)
{
    enum { LEAST = BALANCE_WHOLE_SHARE / 10 };
    if (window_ns <= 0 || up_since_ns == 0 || now_ns < up_since_ns || now_ns - up_since_ns >= (uint64_t)window_ns)
        return BALANCE_WHOLE_SHARE;
    double share = (double)(now_ns - up_since_ns) / (double)window_ns * BALANCE_WHOLE_SHARE;
    return share < LEAST ? LEAST : (uint16_t)share;
}

#define EWMA_TAU_NS 10e9
enum { EWMA_UNIT_NS = 64, NS_OF_MS = 1000000 };

/* e^-x for x >= 0, to some 10^-8, without libm: halved until the series is short, then squared back. */
static double decay(double x)
{
    int halvings = 0;
    if (x > 40)
        return 0;
    for (; x > 0.0625; halvings++)
        x /= 2;
    double result = 1 - x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4)));
    while (halvings-- > 0)
        result *= result;
    return result;
}

static double ewma_weight(uint64_t word, uint64_t now_ns)
{
    uint32_t passed_ms = (uint32_t)(now_ns / NS_OF_MS) - (uint32_t)word;
    return passed_ms > INT32_MAX ? 1 : decay((double)passed_ms * NS_OF_MS / EWMA_TAU_NS); /* somebody was faster */
}

static uint64_t pack_ewma(uint64_t units, uint64_t now_ns)
{
    uint64_t bounded = units < 1 ? 1 : units > UINT32_MAX ? UINT32_MAX : units;
    return bounded << 32 | (uint32_t)(now_ns / NS_OF_MS);
}

uint64_t balance_ewma_add(uint64_t word, uint64_t latency_ns, uint64_t now_ns)
{
    uint64_t known = word >> 32, sample = latency_ns / EWMA_UNIT_NS;
    if (known == 0 || sample >= known)
        return pack_ewma(sample, now_ns);
    double weight = ewma_weight(word, now_ns);
    uint64_t less = (uint64_t)((double)(known - sample) * (1 - weight));
    /* Too little time for a whole unit: it goes on adding up until there is one. */
    return less == 0 ? word : pack_ewma(known - less, now_ns);
}

uint64_t balance_ewma_ns(uint64_t word, uint64_t now_ns)
{
    return word == 0 ? 0 : (uint64_t)((double)(word >> 32) * EWMA_UNIT_NS * ewma_weight(word, now_ns)) + 1;
}

uint64_t balance_cost(uint64_t ewma_ns, uint64_t connections)
{
    const uint64_t unknown = 1ull << 48; /* more than any latency x connections that is worth choosing */
    if (ewma_ns == 0)
        return connections == 0 ? 0 : unknown + connections;
    return ewma_ns * (connections + 1);
}
