/* SPDX-License-Identifier: MIT
 * Which endpoints may be picked, and which of them it is. */
#include "policy/balance.h"

#include "base/prng.h"
#include "policy/conf.h"

/* What may be picked: indices in the order of the list, all of one tier. */
struct candidates {
    uint32_t count;
    uint32_t tier; /* 0 primaries, 1 backups */
    uint8_t index[BALANCE_HOSTS];
    uint8_t member[BALANCE_HOSTS]; /* 1: index[] holds it */
};

/* ---- who may be picked ---------------------------------------------------------------------------- */

struct census {
    uint32_t all, ready[2], whole[2]; /* by tier */
    bool heeds;                       /* whether those that are down are passed over: not all of them are */
};

/* A breaker that is open is of no account here: what is up and refused is not replaced by what is down. */
static bool heeds_health(const struct balance_host *host, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!host[i].down && (host[i].state == BALANCE_READY || host[i].state == BALANCE_OPEN))
            return true;
    return false;
}

static struct census take_census(const struct balance_host *host, uint32_t count)
{
    struct census census = {.heeds = heeds_health(host, count)};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tier = host[i].backup ? 1 : 0;
        if (host[i].state == BALANCE_OUT)
            continue;
        census.all++;
        census.whole[tier]++;
        census.ready[tier] += host[i].state == BALANCE_READY && !(census.heeds && host[i].down);
    }
    return census;
}

/* How many open endpoints may be passed over: at least one of two or more, unless it is 0%. */
static uint32_t ejections(const struct balance_call *call, uint32_t all)
{
    uint32_t limit = (uint32_t)((uint64_t)all * (uint64_t)call->max_eject_ppm / PPM);
    return limit == 0 && all >= 2 && call->max_eject_ppm > 0 ? 1 : limit;
}

static bool panics(const struct balance_call *call, const struct census *census, uint32_t tier)
{
    return call->panic_ppm > 0 && census->whole[tier] > 0 &&
           (uint64_t)census->ready[tier] * PPM < (uint64_t)census->whole[tier] * (uint64_t)call->panic_ppm;
}

/* The endpoints whose breaker is ignored because max_eject is used up: the first open ones of the list are passed over,
 * primaries before backups, and the rest is not. */
static void mark_beyond_limit(const struct balance_host *host, uint32_t count, uint32_t limit, uint8_t *beyond)
{
    for (uint32_t tier = 0; tier < 2; tier++) {
        for (uint32_t i = 0; i < count; i++) {
            beyond[i] = tier == 0 ? 0 : beyond[i];
            if (host[i].state != BALANCE_OPEN || (host[i].backup ? 1u : 0u) != tier)
                continue;
            beyond[i] = limit == 0;
            limit -= limit > 0;
        }
    }
}

static void gather(const struct balance_host *host, uint32_t count, const uint8_t *beyond, bool insist, bool again,
                   bool heeds, struct candidates *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool open = host[i].state == BALANCE_OPEN && (insist || beyond[i]);
        out->member[i] = (host[i].backup ? 1u : 0u) == out->tier && (host[i].state == BALANCE_READY || open) &&
                         (again || !host[i].tried) && !(heeds && host[i].down);
        if (out->member[i])
            out->index[out->count++] = (uint8_t)i;
    }
}

/* Primaries, else backups; what was tried already only when there is nothing else; and when every breaker is open, the
 * primaries again if panic is set. */
static bool find_candidates(const struct balance_host *host, uint32_t count, const struct balance_call *call,
                            const struct census *census, struct candidates *out)
{
    uint8_t beyond[BALANCE_HOSTS];
    mark_beyond_limit(host, count, ejections(call, census->all), beyond);
    bool none_ready = census->ready[0] + census->ready[1] == 0;
    for (uint32_t again = 0; again < 2; again++) {
        for (uint32_t tier = 0; tier < 2; tier++) {
            bool panic = panics(call, census, tier) && (census->ready[tier] > 0 || none_ready);
            out->tier = tier;
            gather(host, count, beyond, call->insist || panic, again > 0, census->heeds, out);
            if (out->count > 0)
                return true;
        }
    }
    return false;
}

/* ---- which of them -------------------------------------------------------------------------------- */

/* The pick of that number of a written sequence, through the members only. */
static uint32_t walk_sequence(const struct balance_sequence *sequence, const struct candidates *among, uint32_t count,
                              uint64_t number)
{
    uint32_t left = 0;
    if (among->count == count)
        return sequence->at[number % sequence->length];
    for (uint32_t i = 0; i < sequence->length; i++)
        left += among->member[sequence->at[i]];
    if (left == 0)
        return among->index[0];
    uint64_t place = number % left;
    uint32_t at = 0;
    while (!among->member[sequence->at[at]] || place-- > 0)
        at++;
    return sequence->at[at];
}

static bool warming(const struct balance_host *host, const struct candidates *among)
{
    for (uint32_t i = 0; i < among->count; i++)
        if (host[among->index[i]].share < BALANCE_WHOLE_SHARE)
            return true;
    return false;
}

static uint32_t by_stride(const struct balance_host *host, uint32_t count, const struct candidates *among,
                          bool weighted, uint64_t number)
{
    uint32_t weight[BALANCE_HOSTS] = {0};
    for (uint32_t i = 0; i < count; i++)
        weight[i] = among->member[i] ? (weighted ? host[i].weight : 1u) * (uint32_t)host[i].share : 0;
    uint32_t pick = balance_stride(weight, count, number);
    return pick < count ? pick : among->index[0];
}

static uint32_t by_turns(const struct balance_host *host, uint32_t count, const struct candidates *among,
                         const struct balance_call *call)
{
    const struct balance_sequence *sequence = &call->sequence[among->tier];
    bool weighted = call->strategy == BALANCE_WEIGHTED;
    if (warming(host, among))
        return by_stride(host, count, among, weighted, call->number);
    if (!weighted)
        return among->index[call->number % among->count];
    if (sequence->length == 0)
        return by_stride(host, count, among, true, call->number);
    return walk_sequence(sequence, among, count, call->number);
}

static uint32_t power(const struct balance_host *host)
{
    return (uint32_t)host->weight * host->share;
}

static double burden(const struct balance_host *host)
{
    return (double)host->load / (double)power(host);
}

/* The least burdened; equal ones take turns by their weights (nginx's least_conn). */
static uint32_t by_connections(const struct balance_host *host, uint32_t count, const struct candidates *among,
                               uint64_t number)
{
    uint32_t weight[BALANCE_HOSTS] = {0};
    uint8_t equal[BALANCE_HOSTS];
    uint32_t equals = 0;
    double least = burden(&host[among->index[0]]);
    for (uint32_t i = 1; i < among->count; i++)
        if (burden(&host[among->index[i]]) < least)
            least = burden(&host[among->index[i]]);
    bool uniform = true;
    for (uint32_t i = 0; i < among->count; i++) {
        uint32_t at = among->index[i];
        if (burden(&host[at]) > least)
            continue;
        weight[at] = power(&host[at]);
        equal[equals++] = (uint8_t)at;
        uniform &= weight[at] == weight[equal[0]];
    }
    if (uniform)
        return equal[number % equals];
    uint32_t pick = balance_stride(weight, count, number);
    return pick < count ? pick : among->index[0];
}

/* Two different ones at random, and the less burdened of them; equal ones by a coin as heavy as their weights. */
static uint32_t by_two(const struct balance_host *host, const struct candidates *among, uint64_t random)
{
    uint32_t first = (uint32_t)prng_below(random, among->count);
    if (among->count == 1)
        return among->index[0];
    uint32_t second = (uint32_t)prng_below(prng_at(random, 1, 0), among->count - 1);
    second += second >= first;
    uint32_t a = among->index[first], b = among->index[second];
    double of_a = burden(&host[a]), of_b = burden(&host[b]);
    if (of_a < of_b || of_b < of_a)
        return of_a < of_b ? a : b;
    return prng_below(prng_at(random, 2, 0), power(&host[a]) + power(&host[b])) < power(&host[a]) ? a : b;
}

static uint32_t by_chance(const struct balance_host *host, const struct candidates *among, uint64_t random)
{
    uint64_t whole = 0;
    for (uint32_t i = 0; i < among->count; i++)
        whole += power(&host[among->index[i]]);
    uint64_t point = prng_below(random, whole);
    for (uint32_t i = 0; i < among->count; i++) {
        uint64_t part = power(&host[among->index[i]]);
        if (point < part)
            return among->index[i];
        point -= part;
    }
    return among->index[0];
}

enum { KEY_DRAWS = 32 };

/* The key falls on one of the tier's endpoints, up or not; while that one may not be picked, it is drawn again (nginx's
 * ip_hash), so that only its own callers move. */
static uint32_t by_key(const struct balance_host *host, uint32_t count, const struct candidates *among, uint64_t key)
{
    uint64_t whole = 0;
    for (uint32_t i = 0; i < count; i++)
        whole += (host[i].backup ? 1u : 0u) == among->tier && host[i].state != BALANCE_OUT ? host[i].weight : 0u;
    for (uint32_t draw = 0; draw < KEY_DRAWS; draw++) {
        uint64_t point = prng_below(prng_at(key, 1, draw), whole);
        for (uint32_t i = 0; i < count; i++) {
            if ((host[i].backup ? 1u : 0u) != among->tier || host[i].state == BALANCE_OUT)
                continue;
            if (point >= host[i].weight) {
                point -= host[i].weight;
                continue;
            }
            if (among->member[i])
                return i;
            break;
        }
    }
    return among->index[prng_below(prng_mix(key), among->count)];
}

static uint32_t by_table(const struct balance_host *host, uint32_t count, const struct candidates *among,
                         const struct balance_call *call)
{
    if (!call->table || among->tier != 0)
        return by_key(host, count, among, call->key);
    /* While the place's endpoint may not be picked, the key falls on another place. */
    for (uint64_t draw = 0; draw < KEY_DRAWS; draw++) {
        uint32_t pick = call->table[prng_at(call->key, 2, draw) % call->table_size];
        if (pick < count && among->member[pick])
            return pick;
    }
    return by_key(host, count, among, call->key);
}

static uint32_t choose(const struct balance_host *host, uint32_t count, const struct candidates *among,
                       const struct balance_call *call)
{
    if (call->by_key)
        return by_key(host, count, among, call->key);
    if (call->kept < count && among->member[call->kept])
        return call->kept;
    switch (call->strategy) {
    case BALANCE_ROUND_ROBIN:
    case BALANCE_WEIGHTED:
        return by_turns(host, count, among, call);
    case BALANCE_LEAST_CONN:
        return by_connections(host, count, among, call->number);
    case BALANCE_LEAST_TIME:
    case BALANCE_P2C:
        return by_two(host, among, call->random);
    case BALANCE_RANDOM:
        return by_chance(host, among, call->random);
    case BALANCE_IP_HASH:
        return by_key(host, count, among, call->key);
    case BALANCE_MAGLEV:
        return by_table(host, count, among, call);
    default:
        return among->index[0];
    }
}

struct balance_choice balance_pick(const struct balance_host *host, uint32_t count, const struct balance_call *call)
{
    struct candidates among;
    struct census census = take_census(host, count);
    if (census.all == 0)
        return (struct balance_choice){.verdict = VERDICT_NO_ENDPOINT};
    if (!find_candidates(host, count, call, &census, &among))
        return (struct balance_choice){.verdict = VERDICT_BREAKER_OPEN};
    uint32_t index = choose(host, count, &among, call);
    return (struct balance_choice){VERDICT_ADMIT, index, call->insist || host[index].state == BALANCE_OPEN};
}
