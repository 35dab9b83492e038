/* SPDX-License-Identifier: MIT
 * One sample after another. */
#include "policy/adaptive.h"

#define MS_NS 1000000ull

enum {
    WINDOW_MS = 1000,
    WINDOW_SAMPLES = 10,
    BASELINE_WINDOWS = 60,
    AGAIN_WINDOWS = 5, /* until a special window is repeated, and until the first */
    MINIMUM_WINDOWS = 5,
    AT_MIN_MAX = 15,
    CALM_BITS = 15,
    CALM_MAX = 6,
    PATIENCE_MS = 5000, /* of a special window, for what is in flight to come down to the lowered limit */
    FIRST_LIMIT = 20,
    LATENCY_US_MAX = (1 << 26) - 1,
    ANSWERED_MAX = (1 << 9) - 1, /* the mean of so many is enough */
    DROPPED_MAX = (1 << 4) - 1,
    IN_FLIGHT_MAX = (1 << 16) - 1,
    SUM_BITS = 35,
    BASELINE_BITS = 40
};

void adaptive_pack(const struct adaptive *state, uint64_t words[ADAPTIVE_WORDS])
{
    words[0] = (uint64_t)state->limit << 48 | (uint64_t)state->held << 32 | state->window_ms;
    words[1] = (uint64_t)state->answered << 55 | (uint64_t)state->dropped << 51 |
               (uint64_t)state->in_flight << SUM_BITS | state->sum_us;
    words[2] = state->changed_ns;
    words[3] = state->reduced_ns;
    words[4] = state->baseline_us << 24 | (uint64_t)state->windows << 8 | (uint64_t)state->at_min << 4 | state->calm;
}

struct adaptive adaptive_unpack(const uint64_t words[ADAPTIVE_WORDS])
{
    return (struct adaptive){
        .limit = (uint32_t)(words[0] >> 48),
        .held = (uint32_t)(words[0] >> 32) & 0xffff,
        .window_ms = (uint32_t)words[0],
        .answered = (uint32_t)(words[1] >> 55),
        .dropped = (uint32_t)(words[1] >> 51) & DROPPED_MAX,
        .in_flight = (uint32_t)(words[1] >> SUM_BITS) & IN_FLIGHT_MAX,
        .sum_us = words[1] & ((1ull << SUM_BITS) - 1),
        .changed_ns = words[2],
        .reduced_ns = words[3],
        .baseline_us = words[4] >> 24,
        .windows = (uint32_t)(words[4] >> 8) & 0xffff,
        .at_min = (uint32_t)(words[4] >> 4) & AT_MIN_MAX,
        .calm = (uint32_t)words[4] & CALM_BITS,
    };
}

static uint32_t lowest(const struct conf *conf)
{
    int64_t low = conf->bulkhead_min < conf->bulkhead_max ? conf->bulkhead_min : conf->bulkhead_max;
    return (uint32_t)low;
}

static uint32_t bounded(uint64_t limit, const struct conf *conf)
{
    uint64_t high = (uint64_t)conf->bulkhead_max;
    return limit < lowest(conf) ? lowest(conf) : (uint32_t)(limit > high ? high : limit);
}

uint32_t adaptive_limit(uint64_t first_word, const struct conf *conf)
{
    uint64_t limit = first_word >> 48;
    if (limit == 0)
        limit = conf->bulkhead_limit > 0 ? (uint64_t)conf->bulkhead_limit : FIRST_LIMIT;
    return bounded(limit, conf);
}

static uint32_t root(uint32_t of)
{
    uint32_t result = 0;
    for (uint32_t bit = 1u << 15; bit; bit >>= 1)
        if ((uint64_t)(result | bit) * (result | bit) <= of)
            result |= bit;
    return result;
}

static uint32_t log10_of(uint32_t limit)
{
    return limit < 100 ? 1 : limit < 1000 ? 2 : limit < 10000 ? 3 : 4;
}

static bool is_idle(const struct adaptive *window)
{
    return window->in_flight * 2 < window->limit;
}

static uint32_t reduced(uint32_t limit)
{
    return limit * 9 / 10;
}

static uint32_t aimd(const struct adaptive *window)
{
    if (window->dropped)
        return reduced(window->limit);
    return is_idle(window) ? window->limit : window->limit + 1;
}

/* A baseline that is much lower speaks of another backend, or of a lighter load: what is it without our own? */
static void suspect(struct adaptive *next, uint64_t known_us)
{
    if (next->baseline_us * 5 >= known_us * 4)
        return;
    next->calm = 0;
    if (next->windows < BASELINE_WINDOWS - AGAIN_WINDOWS)
        next->windows = BASELINE_WINDOWS - AGAIN_WINDOWS;
}

/* True: the window found a lower one. */
static bool lower_baseline(struct adaptive *window, uint64_t latency_us)
{
    uint64_t known_us = window->baseline_us;
    if (latency_us == 0 || (known_us && latency_us >= known_us))
        return false;
    window->baseline_us = latency_us;
    suspect(window, known_us);
    return true;
}

static uint32_t gradient(struct adaptive *window, uint64_t latency_us)
{
    uint32_t limit = window->limit;
    lower_baseline(window, latency_us);
    if (window->dropped)
        return reduced(limit);
    uint64_t room = limit * window->baseline_us * 5 / (4 * latency_us);
    room = room < limit / 2 ? limit / 2 : room > limit * 2 ? limit * 2 : room;
    uint32_t wanted = (uint32_t)room + root((uint32_t)room);
    return is_idle(window) && wanted > limit ? limit : wanted;
}

static uint32_t vegas(struct adaptive *window, uint64_t latency_us)
{
    uint32_t limit = window->limit, lg = log10_of(limit);
    if (window->dropped)
        return limit - lg;
    if (lower_baseline(window, latency_us))
        return limit;
    uint64_t queue = (limit * (latency_us - window->baseline_us) + latency_us - 1) / latency_us;
    if (queue > 6 * lg)
        return limit - lg;
    if (queue >= 3 * lg || is_idle(window))
        return limit;
    return queue <= lg ? limit + 6 * lg : limit + lg;
}

static uint32_t decide(struct adaptive *window, const struct conf *conf, uint64_t latency_us)
{
    switch (conf->bulkhead_adaptive) {
    case ADAPTIVE_AIMD:
        return aimd(window);
    case ADAPTIVE_GRADIENT:
        return gradient(window, latency_us);
    case ADAPTIVE_VEGAS:
        return vegas(window, latency_us);
    default:
        return window->limit;
    }
}

static void know_baseline(struct adaptive *next, uint64_t latency_us)
{
    if (latency_us)
        next->baseline_us = latency_us;
    next->windows = next->at_min = 0;
}

/* What the special window found: much less than was known means that half was still too many. */
static void end_special(struct adaptive *next, uint64_t latency_us)
{
    uint64_t known_us = next->baseline_us;
    know_baseline(next, latency_us);
    next->calm = next->baseline_us * 4 > known_us * 5 ? 0 : next->calm < CALM_MAX ? next->calm + 1 : CALM_MAX;
    suspect(next, known_us);
}

/* True: the window that begins is a special one, with a limit of half of what was in flight. One that had as little as
 * can be had was special enough. */
static bool begin_special(struct adaptive *next, const struct conf *conf, bool idle, uint64_t latency_us)
{
    uint32_t due = (uint32_t)BASELINE_WINDOWS << (idle && next->calm < CALM_MAX ? next->calm : idle ? CALM_MAX : 0);
    uint32_t busy = next->in_flight < next->limit ? next->in_flight : next->limit;
    next->windows += next->windows < UINT16_MAX;
    next->at_min = next->limit > lowest(conf) ? 0 : next->at_min + (next->at_min < AT_MIN_MAX);
    if (conf->bulkhead_adaptive == ADAPTIVE_AIMD || (next->windows < due && next->at_min < MINIMUM_WINDOWS))
        return false;
    if (busy <= lowest(conf)) {
        know_baseline(next, latency_us);
        return false;
    }
    next->held = next->limit;
    next->limit = bounded(busy / 2, conf);
    return true;
}

static void end_window(struct adaptive *next, const struct conf *conf, uint64_t now_ns)
{
    uint32_t before = next->limit, decided = before;
    uint64_t latency_us = next->answered ? next->sum_us / next->answered : 0;
    bool idle = is_idle(next), special = false;
    if (next->answered && latency_us == 0)
        latency_us = 1;
    if (next->held) {
        end_special(next, latency_us);
        next->limit = bounded(next->dropped ? reduced(next->held) : next->held, conf);
        next->held = 0;
    } else {
        next->limit = decided = bounded(decide(next, conf, latency_us), conf);
        special = begin_special(next, conf, idle, latency_us);
    }
    if (next->dropped || decided < before)
        next->reduced_ns = now_ns;
    if (next->limit != before || special)
        next->changed_ns = now_ns;
    next->answered = next->dropped = next->in_flight = 0;
    next->sum_us = 0;
    next->window_ms = (uint32_t)(now_ns / MS_NS);
}

/* A sample of another limit than today's. A moment that lies ahead is not one of ours. */
static bool is_old(const struct adaptive *state, const struct adaptive_sample *sample, uint64_t now_ns)
{
    uint64_t since_ns = sample->dropped ? state->reduced_ns : state->changed_ns;
    if (since_ns <= now_ns && sample->started_ns < since_ns)
        return true;
    bool lowered = state->held && sample->in_flight > state->limit;
    return lowered && state->changed_ns <= now_ns && now_ns - state->changed_ns < PATIENCE_MS * MS_NS;
}

static void count(struct adaptive *next, const struct adaptive_sample *sample)
{
    uint64_t latency_us = sample->latency_ns / 1000;
    uint32_t in_flight = sample->in_flight < IN_FLIGHT_MAX ? sample->in_flight : IN_FLIGHT_MAX;
    if (in_flight > next->in_flight)
        next->in_flight = in_flight;
    if (sample->dropped) {
        next->dropped += next->dropped < DROPPED_MAX;
    } else if (next->answered < ANSWERED_MAX) {
        next->answered++;
        next->sum_us += latency_us < LATENCY_US_MAX ? latency_us : LATENCY_US_MAX;
    }
}

struct adaptive adaptive_step(const struct adaptive *old, const struct conf *conf, const struct adaptive_sample *sample,
                              uint64_t now_ns)
{
    struct adaptive next = *old;
    if (next.limit == 0) {
        next.window_ms = (uint32_t)(now_ns / MS_NS);
        next.windows = BASELINE_WINDOWS - AGAIN_WINDOWS;
    }
    next.limit = adaptive_limit((uint64_t)next.limit << 48, conf);
    if (is_old(&next, sample, now_ns))
        return next;
    count(&next, sample);
    if ((uint32_t)(now_ns / MS_NS) - next.window_ms >= WINDOW_MS && next.answered + next.dropped >= WINDOW_SAMPLES)
        end_window(&next, conf, now_ns);
    return next;
}
