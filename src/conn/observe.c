/* SPDX-License-Identifier: MIT
 * Observations into counters, events and the breaker. */
#include "conn/observe.h"

#include "base/prng.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/sample.h"
#include "policy/classify.h"
#include "segment/events.h"

struct gate observe_gate(const struct conn *conn)
{
    bool whole = conn->conf->breaker_scope == SCOPE_DESTINATION && !conn->is_target;
    return (struct gate){
        .segment = &host.segment,
        .row = whole ? conn->row : conn->endpoint,
        .conf = conn->conf,
        .owner = atomic_load_explicit(&host.owner, memory_order_relaxed),
        .program = host.program,
        .priority = slots_priority(conn->conf),
    };
}

struct seg_row *observe_row(const struct conn *conn)
{
    return seg_row(&host.segment, conn->endpoint);
}

void observe_count(const struct conn *conn, enum observation observation)
{
    static const unsigned char own[OBSERVATION_COUNT] = {
#define OBSERVATION(id, name, outcome, counter, sum) COUNTER_##counter,
#include "tables/observations.tbl.h"
    };
    static const unsigned char sum[OBSERVATION_COUNT] = {
#define OBSERVATION(id, name, outcome, counter, sum) COUNTER_##sum,
#include "tables/observations.tbl.h"
    };
    seg_count(observe_row(conn), own[observation], 1);
    if (sum[observation] != own[observation])
        seg_count(observe_row(conn), sum[observation], 1);
}

static bool is_slow(const struct conn *conn, uint64_t end_ns)
{
    uint64_t started_ns = atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    int64_t slow_ns = conn->conf->breaker_slow_time_ns;
    return slow_ns > 0 && end_ns - started_ns > (uint64_t)slow_ns && !inject_spares(conn);
}

/* The call that the admission stands for has its result. It lasted until end_ns. */
static void tell(struct conn *conn, enum outcome outcome, uint64_t end_ns, uint64_t now_ns, uint64_t retry_after_ns)
{
    if (__builtin_expect(conn->outer & OUTER_BREAKER, 0) && outcome != OUTCOME_SUCCESS) {
        conn->kept = outcome;
        return;
    }
    if (!atomic_exchange_explicit(&conn->admission_open, 0, memory_order_acq_rel))
        return;
    struct gate gate = observe_gate(conn);
    if (outcome == OUTCOME_IGNORED)
        seg_count(observe_row(conn), COUNTER_ignored, 1);
    bool slow = is_slow(conn, end_ns);
    if (host.disabled & DISABLE_BREAKER)
        gate_give_back(&gate, &conn->admission);
    else if (outcome != OUTCOME_SUCCESS || slow || !gate_good(&gate, &conn->admission, now_ns))
        gate_result(&gate, &conn->admission, outcome, slow, now_ns,
                    prng_at(host.chaos_seed, now_ns, (uint64_t)(uintptr_t)conn), retry_after_ns);
}

void observe_tell(struct conn *conn, enum outcome outcome, uint64_t now_ns)
{
    tell(conn, outcome, now_ns, now_ns, 0);
}

void observe_slow(struct conn *conn, uint64_t now_ns)
{
    struct gate gate = observe_gate(conn);
    if (atomic_load_explicit(&conn->admission_open, memory_order_acquire) && !(host.disabled & DISABLE_BREAKER))
        gate_slow(&gate, &conn->admission, now_ns, prng_at(host.chaos_seed, now_ns, (uint64_t)(uintptr_t)conn));
}

static void announce_failure(const struct conn *conn, enum observation observation)
{
    struct event event = {
        .kind = EVENT_FAILED,
        .row = conn->endpoint,
        .reason = observation,
        .error = (uint32_t)atomic_load_explicit(&conn->error, memory_order_relaxed),
        .program = host.program,
    };
    event_write(&host.segment, &event);
}

void observe_answer(struct conn *conn, enum observation observation, uint64_t answered_ns, uint64_t now_ns,
                    uint64_t retry_after_ns)
{
    enum outcome outcome = classify_outcome(conn->conf, observation);
    bool injected = atomic_load_explicit(&conn->injected, memory_order_relaxed) &&
                    atomic_exchange_explicit(&conn->injected, 0, memory_order_relaxed);
    bool ours = injected && !conn->conf->chaos_counts;
    bool failed = outcome == OUTCOME_FAILURE || outcome == OUTCOME_OVERLOAD;
    observe_count(conn, observation);
    if (!ours && !inject_spares(conn))
        sample_take(conn, observation, answered_ns);
    if (ours && failed)
        outcome = OUTCOME_IGNORED; /* what we did ourselves says nothing of the backend */
    else if (failed)
        announce_failure(conn, observation);
    tell(conn, outcome, answered_ns, now_ns, retry_after_ns);
}

void observe(struct conn *conn, enum observation observation, uint64_t now_ns)
{
    observe_answer(conn, observation, now_ns, now_ns, 0);
}
