/* SPDX-License-Identifier: MIT
 * The breaker's steps. */
#include "policy/breaker.h"

#include "base/prng.h"

enum { EXPONENT_MAX = 255, CONSECUTIVE_MAX = 65535, RESULTS_MAX = 255 };
#define GENERATION_MASK ((1u << BREAKER_GENERATION_BITS) - 1)
#define UNTIL_BITS      42
#define UNTIL_MASK      ((1ull << UNTIL_BITS) - 1)

/* state:2 | generation:12 | exponent:8 | payload:42
 * payload  CLOSED: consecutive:16     OPEN: until_us:42     HALF_OPEN: successes:8 | failures:8 | slow:8 */
uint64_t breaker_pack(const struct breaker *b)
{
    uint64_t payload = 0;
    switch ((enum state)b->state) {
    case STATE_CLOSED:
        payload = b->consecutive;
        break;
    case STATE_OPEN:
        payload = b->until_us & UNTIL_MASK;
        break;
    case STATE_HALF_OPEN:
        payload = (uint64_t)b->successes << 16 | (uint64_t)b->failures << 8 | b->slow;
        break;
    case STATE_FORCED_OPEN:
    case STATE_FORCED_CLOSED:
    case STATE_DRAINING:
    case STATE_COUNT:
        break; /* administrative states never stand in the word */
    }
    return (uint64_t)b->state << 62 | (uint64_t)(b->generation & GENERATION_MASK) << 50 |
           (uint64_t)b->exponent << UNTIL_BITS | payload;
}

struct breaker breaker_unpack(uint64_t word)
{
    struct breaker b = {
        .state = (uint32_t)(word >> 62),
        .generation = (uint32_t)(word >> 50) & GENERATION_MASK,
        .exponent = (uint32_t)(word >> UNTIL_BITS) & EXPONENT_MAX,
    };
    if (b.state == STATE_OPEN) {
        b.until_us = word & UNTIL_MASK;
    } else if (b.state == STATE_HALF_OPEN) {
        b.successes = (uint32_t)(word >> 16) & RESULTS_MAX;
        b.failures = (uint32_t)(word >> 8) & RESULTS_MAX;
        b.slow = (uint32_t)word & RESULTS_MAX;
    } else {
        b.state = STATE_CLOSED; /* 3 is no state: a damaged word admits */
        b.consecutive = (uint32_t)word & CONSECUTIVE_MAX;
    }
    return b;
}

bool breaker_is_at_rest(uint64_t word, uint32_t generation)
{
    const uint64_t exponent = (uint64_t)EXPONENT_MAX << UNTIL_BITS;
    return (word & ~exponent) == ((uint64_t)STATE_CLOSED << 62 | (uint64_t)(generation & GENERATION_MASK) << 50);
}

static struct breaker_step unchanged(const struct breaker *b)
{
    return (struct breaker_step){.next = *b, .verdict = VERDICT_ADMIT};
}

static struct breaker_step enter(const struct breaker *b, enum state state, enum reason reason)
{
    struct breaker_step step = {
        .next = {.state = state, .generation = (b->generation + 1) & GENERATION_MASK, .exponent = b->exponent},
        .changed = true,
        .reason = reason,
        .verdict = VERDICT_ADMIT,
    };
    if (state == STATE_CLOSED)
        step.next.exponent = 0;
    return step;
}

static int64_t open_max_ns(const struct conf *conf)
{
    return conf->breaker_open_max_ns > conf->breaker_open_time_ns ? conf->breaker_open_max_ns
                                                                  : conf->breaker_open_time_ns;
}

uint64_t breaker_open_ns(const struct conf *conf, uint32_t exponent, uint64_t random)
{
    double open_ns = (double)conf->breaker_open_time_ns;
    double max_ns = (double)open_max_ns(conf);
    for (uint32_t i = 0; i < exponent && open_ns < max_ns; i++)
        open_ns *= (double)conf->breaker_multiplier_ppm / PPM;
    uint64_t capped = (uint64_t)(open_ns < max_ns ? open_ns : max_ns);
    if (conf->breaker_jitter_ppm <= 0)
        return capped;
    uint64_t spread = (uint64_t)((double)capped * (double)conf->breaker_jitter_ppm / PPM);
    uint64_t jittered = capped - spread + prng_below(random, 2 * spread + 1);
    return jittered ? jittered : 1;
}

static void set_until(struct breaker *b, const struct conf *conf, uint64_t now_ns, uint64_t random)
{
    uint64_t until_ns = now_ns + breaker_open_ns(conf, b->exponent, random);
    b->until_us = ((until_ns + 999) / 1000) & UNTIL_MASK;
}

/* The backend said when to come back: in place of the open time, within its bounds and without jitter. */
static void set_until_asked(struct breaker *b, const struct conf *conf, uint64_t now_ns, uint64_t retry_after_ns)
{
    uint64_t least_ns = (uint64_t)conf->breaker_open_time_ns, most_ns = (uint64_t)open_max_ns(conf);
    uint64_t open_ns = retry_after_ns < least_ns ? least_ns : retry_after_ns > most_ns ? most_ns : retry_after_ns;
    b->until_us = ((now_ns + open_ns + 999) / 1000) & UNTIL_MASK;
}

static struct breaker_step open_up(const struct breaker *b, const struct conf *conf, enum reason reason,
                                   uint64_t now_ns, uint64_t random)
{
    struct breaker_step step = enter(b, STATE_OPEN, reason);
    if (b->state == STATE_HALF_OPEN && step.next.exponent < EXPONENT_MAX)
        step.next.exponent++;
    set_until(&step.next, conf, now_ns, random);
    return step;
}

uint64_t breaker_longest_ns(const struct conf *conf)
{
    return 2 * (uint64_t)open_max_ns(conf);
}

uint64_t breaker_wait_ns(const struct breaker *b, const struct conf *conf, uint64_t now_ns)
{
    if (b->state != STATE_OPEN)
        return 0;
    uint64_t ahead_us = (b->until_us - now_ns / 1000) & UNTIL_MASK;
    if (ahead_us == 0 || ahead_us > UNTIL_MASK / 2)
        return 0; /* in the past */
    /* Farther away than any open time can be: the clock or the rules changed. Never wait for that. */
    if (ahead_us > breaker_longest_ns(conf) / 1000 + 3)
        return 0;
    return ahead_us * 1000 - now_ns % 1000;
}

static struct breaker_step ask_for_lease(struct breaker_step step, const struct conf *conf)
{
    uint32_t done = step.next.successes + step.next.failures;
    uint32_t probes = (uint32_t)conf->breaker_probes;
    step.needs_lease = true;
    step.lease_limit = conf->breaker_halfopen == HALFOPEN_RATIO ? (done < probes ? probes - done : 0) : probes;
    return step;
}

struct breaker_step breaker_admit(const struct breaker *b, const struct conf *conf, uint64_t now_ns)
{
    struct breaker_step step = unchanged(b);
    if (b->state == STATE_CLOSED)
        return step;
    if (b->state == STATE_HALF_OPEN)
        return ask_for_lease(step, conf);
    if (breaker_wait_ns(b, conf, now_ns) == 0)
        return ask_for_lease(enter(b, STATE_HALF_OPEN, REASON_OPEN_ELAPSED), conf);
    step.verdict = VERDICT_BREAKER_OPEN;
    return step;
}

static bool at_least(uint64_t part, uint64_t whole, int64_t ratio_ppm)
{
    return ratio_ppm > 0 && part * PPM >= whole * (uint64_t)ratio_ppm;
}

/* The reason to trip, in the fixed order of the reasons table; REASON_NONE to stay closed. */
static enum reason trip_reason(const struct breaker *b, const struct conf *conf, const struct window_sum *sum)
{
    uint64_t enough_calls = (uint64_t)conf->breaker_min_calls;
    if (conf->breaker_window_calls > 0 && (uint64_t)conf->breaker_window_calls < enough_calls)
        enough_calls = (uint64_t)conf->breaker_window_calls; /* the window can never hold more (resilience4j) */
    bool enough = sum->calls >= enough_calls;
    if (conf->breaker_failures > 0 && b->consecutive >= (uint64_t)conf->breaker_failures)
        return REASON_CONSECUTIVE;
    if (conf->breaker_errors > 0 && sum->failed >= (uint64_t)conf->breaker_errors)
        return REASON_ERRORS;
    if (enough && at_least(sum->failed, sum->calls, conf->breaker_ratio_ppm))
        return REASON_RATIO;
    if (enough && conf->breaker_slow_time_ns > 0 && at_least(sum->slow, sum->calls, conf->breaker_slow_ratio_ppm))
        return REASON_SLOW;
    return REASON_NONE;
}

static struct breaker_step closed_result(const struct breaker *b, const struct conf *conf, enum outcome outcome,
                                         const struct window_sum *sum, uint64_t now_ns, uint64_t random)
{
    struct breaker_step step = unchanged(b);
    if (outcome == OUTCOME_SUCCESS)
        step.next.consecutive = 0;
    else if (outcome == OUTCOME_FAILURE && step.next.consecutive < CONSECUTIVE_MAX)
        step.next.consecutive++;
    step.changed = step.next.consecutive != b->consecutive;
    enum reason reason = trip_reason(&step.next, conf, sum);
    return reason == REASON_NONE ? step : open_up(b, conf, reason, now_ns, random);
}

/* All probes of the ratio mode have reported: judge them as the window would be (resilience4j). */
static bool probes_failed(const struct breaker *b, const struct conf *conf)
{
    uint32_t done = b->successes + b->failures;
    return at_least(b->failures, done, conf->breaker_ratio_ppm) ||
           (conf->breaker_slow_time_ns > 0 && at_least(b->slow, done, conf->breaker_slow_ratio_ppm));
}

static struct breaker_step halfopen_result(const struct breaker *b, const struct conf *conf, bool failed, bool slow,
                                           uint64_t now_ns, uint64_t random)
{
    struct breaker_step step = unchanged(b);
    struct breaker *next = &step.next;
    bool strict = conf->breaker_halfopen == HALFOPEN_STRICT;
    /* A probe that is slow has not shown recovery: in strict mode it fails, in ratio mode it is weighed. */
    bool bad = failed || (strict && slow);
    step.changed = true;
    next->failures += bad && next->failures < RESULTS_MAX;
    next->successes += !bad && next->successes < RESULTS_MAX;
    next->slow += slow && next->slow < RESULTS_MAX;
    if (strict) {
        if (next->failures >= (uint64_t)conf->breaker_halfopen_failures)
            return open_up(b, conf, REASON_PROBE_FAILED, now_ns, random);
        if (next->successes >= (uint64_t)conf->breaker_successes)
            return enter(b, STATE_CLOSED, REASON_PROBES_OK);
        return step;
    }
    if (next->successes + next->failures < (uint64_t)conf->breaker_probes)
        return step;
    return probes_failed(next, conf) ? open_up(b, conf, REASON_PROBE_FAILED, now_ns, random)
                                     : enter(b, STATE_CLOSED, REASON_PROBES_OK);
}

static struct breaker_step open_result(const struct breaker *b, const struct conf *conf, bool failed, uint64_t now_ns,
                                       uint64_t random)
{
    struct breaker_step step = unchanged(b);
    step.late = true;
    if (failed && conf->breaker_open_from == OPEN_FROM_LAST_FAILURE) {
        set_until(&step.next, conf, now_ns, random);
        step.changed = true;
    }
    return step;
}

struct breaker_step breaker_result(const struct breaker *b, const struct conf *conf, struct ticket ticket,
                                   enum outcome outcome, bool slow, const struct window_sum *sum, uint64_t now_ns,
                                   uint64_t random, uint64_t retry_after_ns)
{
    bool failed = outcome == OUTCOME_FAILURE || outcome == OUTCOME_OVERLOAD || outcome == OUTCOME_LUMPED;
    bool current = ticket.generation == b->generation && (b->state == STATE_CLOSED || ticket.probe);
    if (outcome == OUTCOME_IGNORED) {
        struct breaker_step step = unchanged(b);
        step.late = ticket.generation != b->generation;
        return step;
    }
    if (b->state == STATE_OPEN)
        return open_result(b, conf, failed, now_ns, random);
    if (!current) {
        struct breaker_step step = unchanged(b);
        step.late = true;
        return step;
    }
    if (retry_after_ns > 0) {
        struct breaker_step step = breaker_result(b, conf, ticket, outcome, slow, sum, now_ns, random, 0);
        if (step.next.state == STATE_OPEN)
            set_until_asked(&step.next, conf, now_ns, retry_after_ns);
        return step;
    }
    return b->state == STATE_CLOSED ? closed_result(b, conf, outcome, sum, now_ns, random)
                                    : halfopen_result(b, conf, failed, slow, now_ns, random);
}

struct breaker_step breaker_trip(const struct breaker *b, const struct conf *conf, uint64_t open_ns, uint64_t now_ns,
                                 uint64_t random)
{
    struct breaker_step step = open_up(b, conf, REASON_FORCED, now_ns, random);
    if (open_ns > 0)
        step.next.until_us = ((now_ns + open_ns + 999) / 1000) & UNTIL_MASK;
    return step;
}

struct breaker_step breaker_reset(const struct breaker *b, enum reason reason)
{
    return enter(b, STATE_CLOSED, reason);
}
