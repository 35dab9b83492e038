/* SPDX-License-Identifier: MIT
 * From a failed call to the next target. */
#include "conn/fallback.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/host.h"
#include "conn/retry.h"
#include "conn/steer.h"
#include "policy/classify.h"
#include "segment/events.h"

bool fallback_left(const struct attempt *attempt)
{
    return attempt->next_target < attempt->destination->fallbacks && attempt->destination->conf.mode == MODE_ENFORCE;
}

static uint32_t cause_of_refusal(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_BREAKER_OPEN:
    case VERDICT_PROBE_BUSY:
    case VERDICT_NO_ENDPOINT:
        return FALLBACK_ON_OPEN;
    case VERDICT_BULKHEAD_FULL:
    case VERDICT_QUEUE_FULL:
    case VERDICT_QUEUE_TIMEOUT:
    case VERDICT_RATE:
        return FALLBACK_ON_OVERFLOW;
    default:
        return 0;
    }
}

/* What happened on this host alone (no descriptor, no local port, no right) would happen at the target as well. */
static uint32_t cause_of_failure(const struct attempt *attempt, int error)
{
    if (error == ETIMEDOUT)
        return FALLBACK_ON_TIMEOUT;
    bool failed = classify_connect(error, attempt->to.family == AF_UNIX) == OBSERVATION_CONNECT_FAILED;
    return failed ? FALLBACK_ON_FAILURE : 0;
}

/* A retry that we refused ourselves does not hide why the call failed before it, nor a queue that the time was over. */
static uint32_t causes(const struct attempt *attempt, int error)
{
    if (!attempt->refused)
        return cause_of_failure(attempt, error);
    bool over = attempt->end_ns != 0 && clock_now_ns() >= attempt->end_ns;
    return cause_of_refusal(attempt->verdict) | (over ? FALLBACK_ON_TIMEOUT : 0u) |
           (attempt->retries > 0 ? cause_of_failure(attempt, error) : 0);
}

static void announce(const struct attempt *attempt, enum event_kind kind, uint32_t index, int error)
{
    struct event event = {
        .kind = kind,
        .row = steer_row(attempt, attempt->destination->endpoints + index),
        .reason = attempt->refused ? (uint32_t)attempt->verdict : VERDICT_ADMIT,
        .error = (uint32_t)error,
        .program = host.program,
    };
    event_refusal(&host.segment, &event, attempt->now_ns);
}

bool fallback_next(struct attempt *attempt, int error)
{
    const struct rule_destination *destination = attempt->destination;
    uint32_t found = causes(attempt, error);
    bool wanted = attempt->target > 0 ? found != 0 : (found & (uint64_t)destination->conf.fallback_on) != 0;
    if (!fallback_left(attempt) || !wanted || host_off() || !steer_know(attempt))
        return false;
    for (uint32_t index = attempt->next_target; index < destination->fallbacks; index++) {
        attempt->next_target = index + 1;
        if (steer_reaches(attempt, rules_fallback(attempt->rules, destination, index))) {
            announce(attempt, EVENT_FALLBACK, index, attempt->refused ? 0 : error);
            return true;
        }
        announce(attempt, EVENT_UNREACHABLE, index, EAFNOSUPPORT);
    }
    attempt->next_target = destination->fallbacks + 1; /* and not due */
    return false;
}

void fallback_begin(struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    uint32_t index = attempt->next_target - 1;
    if (attempt->target == 0)
        retry_ended(attempt, false);
    if (attempt->has_admission || attempt->has_slots)
        admit_settle(attempt);
    seg_count(seg_row(&host.segment, attempt->row), COUNTER_fallbacks, attempt->target == 0);
    attempt->target = attempt->next_target;
    attempt->outer = 0;
    attempt->retries = 0;
    attempt->refused = attempt->queued = attempt->insist = false;
    attempt->turn_ns = 0;
    attempt->end_ns = conf->timeout_total_ns > 0 ? attempt->now_ns + (uint64_t)conf->timeout_total_ns : 0;
    steer_to(attempt, attempt->destination->endpoints + index);
}
