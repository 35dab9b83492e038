/* SPDX-License-Identifier: MIT
 * The engine of `resctl simulate`: src/segment and src/policy, driven by a virtual clock. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/prng.h"
#include "policy/rate.h"
#include "segment/force.h"
#include "segment/learn.h"
#include "segment/limit.h"
#include "segment/registry.h"
#include "segment/rows.h"
#include "segment/tally.h"
#include "simulate.h"

static struct seg_row *row_of(const struct sim *sim)
{
    return seg_row(&sim->segment, sim->row);
}

static struct gate gate_of(const struct sim *sim, const struct sim_call *call)
{
    return (struct gate){
        .segment = &sim->segment,
        .row = sim->row,
        .conf = &sim->conf,
        .owner = call->owner,
        .program = "simulate",
        .priority = call->priority,
    };
}

bool sim_start(struct sim *sim, uint64_t seed)
{
    const struct row_key key = {.kind = ROW_DESTINATION, .name = "simulate"};
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    if (!segment_private(&sim->segment))
        return false;
    sim->row = rows_get(&sim->segment, &key);
    return sim->row != ROW_NONE;
}

uint64_t sim_draw(struct sim *sim)
{
    return prng_at(sim->seed, 1, sim->draws++);
}

/* The registry entry of a call's own process: index of the call, generation by number of uses. */
static uint32_t new_owner(struct sim *sim, const struct sim_call *call)
{
    uint32_t index = (uint32_t)(call - sim->call);
    struct seg_process *entry = seg_process(&sim->segment, index);
    uint32_t generation = (uint32_t)(atomic_load(&entry->word) >> 32);
    generation = generation % 0xfffff + 1;
    atomic_store(&entry->word, (uint64_t)generation << 32 | PROCESS_LIVE);
    return generation << 12 | index;
}

static void count(const struct sim *sim, enum counter counter)
{
    seg_count(row_of(sim), counter, 1);
}

static const char *refused(const struct sim *sim, enum verdict verdict)
{
    static const unsigned char counters[VERDICT_COUNT] = {
#define VERDICT(id, name, counter) COUNTER_##counter,
#include "tables/verdicts.tbl.h"
    };
    static const char *const results[VERDICT_COUNT] = {
#define VERDICT(id, name, counter) #counter,
#include "tables/verdicts.tbl.h"
    };
    if (verdict == VERDICT_ADMIT) {
        count(sim, COUNTER_attempts);
        return "admitted";
    }
    count(sim, (enum counter)counters[verdict]);
    return results[verdict];
}

static bool enforced(const struct sim *sim)
{
    return sim->conf.mode == MODE_ENFORCE;
}

/* The rate limiter; *wait_ns is how long the call has to wait for its turn. */
static enum verdict take_turn(struct sim *sim, bool may_wait, uint64_t *wait_ns)
{
    _Atomic uint64_t *state = &row_of(sim)->rate_ns;
    struct rate_step step = rate_step(atomic_load(state), &sim->conf, sim->now_ns, may_wait && enforced(sim));
    if (step.admitted)
        atomic_store(state, step.next);
    *wait_ns = step.wait_ns;
    return step.admitted ? VERDICT_ADMIT : VERDICT_RATE;
}

/* In observe mode a refusal is only counted. */
static enum verdict apply(const struct sim *sim, enum verdict verdict)
{
    if (verdict == VERDICT_ADMIT || enforced(sim))
        return verdict;
    count(sim, COUNTER_would_reject);
    return VERDICT_ADMIT;
}

/* There is one endpoint here: the lower limit holds. */
static int64_t limit_of(const struct sim *sim)
{
    int64_t whole = limit_now(row_of(sim), &sim->conf), endpoint = sim->conf.bulkhead_endpoint_limit;
    return endpoint > 0 && (whole <= 0 || endpoint < whole) ? endpoint : whole;
}

static enum verdict take_slot(struct sim *sim, struct sim_call *call, bool may_queue, uint64_t priority)
{
    int64_t wait_ns = learn_ns(row_of(sim), LEARN_CONNECT, sim->conf.bulkhead_queue_timeout_ns);
    call->expiry_ns = wait_ns > 0 ? sim->now_ns + (uint64_t)wait_ns : UINT64_MAX / 2;
    struct slot_info info = {
        .row = sim->row,
        .endpoint = sim->row,
        .now_ns = sim->now_ns,
        .limit = enforced(sim) ? limit_of(sim) : 0,
        .places = may_queue ? sim->conf.bulkhead_queue : 0,
        .expiry_ns = call->expiry_ns,
        .priority = priority,
    };
    switch (ledger_acquire(&sim->segment, call->owner, &info, &call->slot)) {
    case LEDGER_QUEUED:
        call->state = SIM_QUEUED;
        return VERDICT_ADMIT;
    case LEDGER_FULL_ACCOUNT:
        return VERDICT_BULKHEAD_FULL;
    case LEDGER_FULL_QUEUE:
        return VERDICT_QUEUE_FULL;
    case LEDGER_OK:
    case LEDGER_FULL_TABLE:
        break;
    }
    return VERDICT_ADMIT;
}

static enum verdict ask_breaker(struct sim *sim, struct sim_call *call)
{
    struct gate gate = gate_of(sim, call);
    return apply(sim, gate_admit(&gate, sim->now_ns, &call->admission));
}

static void begin_now(const struct sim *sim, struct sim_call *call)
{
    int64_t slow_ns = sim->conf.breaker_slow_time_ns;
    call->state = SIM_OPEN;
    call->begin_ns = sim->now_ns;
    call->slow_ns = slow_ns > 0 ? sim->now_ns + (uint64_t)slow_ns + 1 : 0; /* slow is longer than slow_time */
}

/* Breaker, then bulkhead, at the current time. */
static const char *ask(struct sim *sim, struct sim_call *call, bool may_queue)
{
    struct gate gate = gate_of(sim, call);
    begin_now(sim, call);
    enum verdict verdict = ask_breaker(sim, call);
    if (verdict == VERDICT_ADMIT) {
        verdict = take_slot(sim, call, may_queue, call->priority);
        if (verdict != VERDICT_ADMIT || call->state == SIM_QUEUED)
            gate_give_back(&gate, &call->admission);
    }
    if (call->state == SIM_QUEUED)
        return "queued";
    if (verdict != VERDICT_ADMIT)
        call->state = SIM_FREE;
    return refused(sim, verdict);
}

const char *sim_begin(struct sim *sim, struct sim_call *call, bool may_wait, uint64_t priority)
{
    uint32_t index = (uint32_t)(call - sim->call);
    uint64_t wait_ns;
    if (index >= sim->calls_used)
        sim->calls_used = index + 1;
    call->owner = new_owner(sim, call);
    call->slot.entry = LEDGER_NONE;
    call->priority = priority;
    enum verdict verdict = apply(sim, take_turn(sim, may_wait, &wait_ns));
    if (verdict != VERDICT_ADMIT)
        return refused(sim, verdict);
    if (may_wait && wait_ns > 0) {
        call->state = SIM_WAITING;
        call->expiry_ns = sim->now_ns + wait_ns;
        return "queued";
    }
    return ask(sim, call, may_wait);
}

/* What the latency of a call teaches: of its connect where connecting is all that counts, else of its answer. */
static void teach(const struct sim *sim, const struct sim_call *call, struct sim_result result)
{
    const struct conf *conf = &sim->conf;
    bool by_connect = conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE;
    enum learn_kind kind = by_connect ? LEARN_CONNECT : LEARN_RESPONSE;
    int64_t key = learn_key(conf, kind);
    uint64_t latency_ns = sim->now_ns - call->begin_ns;
    if (result.outcome != OUTCOME_SUCCESS && !result.timed_out)
        return;
    limit_sample(row_of(sim), row_of(sim), conf, call->begin_ns, result.timed_out, sim->now_ns);
    if (key == CONF_OFF)
        return;
    if (!result.timed_out || latency_ns >= (uint64_t)learn_ns(row_of(sim), kind, key))
        learn_add(row_of(sim), kind, key, latency_ns, result.timed_out);
}

const char *sim_end(struct sim *sim, struct sim_call *call, struct sim_result result)
{
    static const unsigned char counters[] = {[OUTCOME_SUCCESS] = COUNTER_exchanges_ok,
                                             [OUTCOME_FAILURE] = COUNTER_exchanges_failed,
                                             [OUTCOME_IGNORED] = COUNTER_ignored};
    struct gate gate = gate_of(sim, call);
    int64_t slow_ns = sim->conf.breaker_slow_time_ns;
    bool slow = slow_ns > 0 && sim->now_ns - call->begin_ns > (uint64_t)slow_ns;
    uint64_t late = atomic_load(&row_of(sim)->counter[COUNTER_late]);
    count(sim, (enum counter)counters[result.outcome]);
    teach(sim, call, result);
    gate_result(&gate, &call->admission, result.outcome, slow, sim->now_ns, sim_draw(sim), 0);
    ledger_release(&sim->segment, call->owner, &call->slot);
    call->state = SIM_FREE;
    return atomic_load(&row_of(sim)->counter[COUNTER_late]) != late ? "late" : "done";
}

void sim_kill(struct sim *sim, struct sim_call *call)
{
    registry_bury(&sim->segment, call->owner);
    call->state = SIM_FREE;
    ledger_reap(&sim->segment, sim->row, sim->now_ns); /* as the next waiter's slice would */
}

void sim_force(struct sim *sim, enum state state)
{
    struct gate gate = gate_of(sim, &sim->call[0]);
    gate_force(&gate, state, 0, sim->now_ns);
}

struct sim_call *sim_find(struct sim *sim, const char *id)
{
    for (uint32_t i = 0; i < SIM_CALLS; i++) {
        struct sim_call *call = &sim->call[i];
        if (*id ? call->state != SIM_FREE && strcmp(call->id, id) == 0 : call->state == SIM_FREE)
            return call;
        if (*id && i >= sim->calls_used)
            return NULL;
    }
    return NULL;
}

static void print_time(uint64_t ns, FILE *out)
{
    fprintf(out, "%" PRIu64, ns / (uint64_t)NS_PER_S);
    char fraction[16];
    snprintf(fraction, sizeof fraction, ".%09" PRIu64, ns % (uint64_t)NS_PER_S);
    size_t length = strlen(fraction);
    while (length > 1 && fraction[length - 1] == '0')
        length--;
    if (length > 1)
        fprintf(out, "%.*s", (int)length, fraction);
}

static void print_event(const struct sim *sim, const char *verb, const char *id, const char *result, FILE *out)
{
    print_time(sim->now_ns, out);
    fprintf(out, " %s %s -> %s", verb, id, result);
    sim_state(sim, out);
    fputc('\n', out);
}

/* When something happens to a call by itself, and what comes first of one instant. UINT64_MAX: never. */
static uint64_t due_ns(const struct sim_call *call)
{
    if (call->state == SIM_QUEUED || call->state == SIM_WAITING)
        return call->expiry_ns;
    return call->state == SIM_OPEN && call->slow_ns ? call->slow_ns : UINT64_MAX;
}

static int rank(const struct sim_call *call)
{
    return call->state == SIM_OPEN ? 0 : call->state == SIM_QUEUED ? 1 : 2;
}

/* Of one instant: calls that become slow, then waits that end, then turns of the rate limiter; among equals, who is
 * first in the line. */
static bool sooner(const struct sim *sim, const struct sim_call *a, const struct sim_call *b)
{
    if (due_ns(a) != due_ns(b))
        return due_ns(a) < due_ns(b);
    if (a->state != b->state)
        return rank(a) < rank(b);
    if (a->state != SIM_QUEUED || a->priority != b->priority)
        return a->priority > b->priority;
    return atomic_load(&seg_entry(&sim->segment, a->slot.entry)->ticket) <
           atomic_load(&seg_entry(&sim->segment, b->slot.entry)->ticket);
}

static struct sim_call *next_event(struct sim *sim)
{
    struct sim_call *next = NULL;
    for (uint32_t i = 0; i < sim->calls_used; i++) {
        struct sim_call *call = &sim->call[i];
        if (due_ns(call) != UINT64_MAX && (!next || sooner(sim, call, next)))
            next = call;
    }
    return next;
}

static void become_slow(struct sim *sim, struct sim_call *call)
{
    struct gate gate = gate_of(sim, call);
    call->slow_ns = 0;
    gate_slow(&gate, &call->admission, sim->now_ns, sim_draw(sim));
}

void sim_pass(struct sim *sim, uint64_t until_ns, FILE *out)
{
    for (struct sim_call *call = next_event(sim); call && due_ns(call) <= until_ns; call = next_event(sim)) {
        uint64_t mark = atomic_load(&row_of(sim)->breaker_mark); /* of the line in whose middle these events fall */
        sim->now_ns = due_ns(call);
        if (call->state == SIM_OPEN) {
            become_slow(sim, call); /* no line of its own: the next one shows the reason */
            continue;
        }
        sim_mark(sim);
        if (call->state == SIM_WAITING) {
            print_event(sim, "admit", call->id, ask(sim, call, true), out);
        } else {
            ledger_leave(&sim->segment, &call->slot);
            call->state = SIM_FREE;
            print_event(sim, "expire", call->id, refused(sim, VERDICT_QUEUE_TIMEOUT), out);
        }
        atomic_store(&row_of(sim)->breaker_mark, mark);
    }
    sim->now_ns = until_ns;
}

/* One queued call that is first in the line and finds a slot. True when there was one. */
static bool one_turn(struct sim *sim, FILE *out)
{
    for (uint32_t i = 0; i < sim->calls_used; i++) {
        struct sim_call *call = &sim->call[i];
        if (call->state != SIM_QUEUED || !ledger_turn(&sim->segment, &call->slot, limit_of(sim), sim->now_ns))
            continue;
        sim_mark(sim);
        begin_now(sim, call);
        enum verdict verdict = ask_breaker(sim, call);
        if (verdict != VERDICT_ADMIT) {
            ledger_release(&sim->segment, call->owner, &call->slot);
            call->state = SIM_FREE;
        }
        print_event(sim, "admit", call->id, refused(sim, verdict), out);
        return true;
    }
    return false;
}

void sim_turns(struct sim *sim, FILE *out)
{
    for (uint32_t i = 0; i < sim->calls_used; i++)
        if (sim->call[i].state == SIM_QUEUED)
            ledger_look(&sim->segment, &sim->call[i].slot, sim->now_ns);
    while (one_turn(sim, out))
        ;
}

void sim_mark(struct sim *sim)
{
    atomic_store(&row_of(sim)->breaker_mark, 0);
}

void sim_state(const struct sim *sim, FILE *out)
{
    uint64_t wall_ms;
    uint32_t failures;
    uint32_t forced = force_own(row_of(sim), sim->now_ns);
    struct breaker breaker = breaker_unpack(atomic_load(&row_of(sim)->breaker));
    enum reason reason = gate_reason(row_of(sim), &wall_ms, &failures);
    fprintf(out, " state=%s", state_names[forced ? forced : breaker.state]);
    if (reason != REASON_NONE)
        fprintf(out, " reason=%s", reason_names[reason]);
}

static void show_learned(const struct sim *sim, const char *name, enum learn_kind kind, int64_t value, FILE *out)
{
    uint64_t learned_ns =
        timeout_is_auto(value) ? learn_quantile_ns(row_of(sim), kind, timeout_unpack(value).quantile_permille) : 0;
    int64_t timeout_ns = learn_ns(row_of(sim), kind, value);
    fprintf(out, " learned_%s_ms=%.3f timeout_%s_ms=%.3f", name, (double)learned_ns / 1e6, name,
            timeout_ns > 0 ? (double)timeout_ns / 1e6 : 0.0);
}

void sim_show(const struct sim *sim, FILE *out)
{
    static const char *const names[COUNTER_COUNT] = {
#define COUNTER(name, unit, help) #name,
#include "tables/counters.tbl.h"
    };
    struct seg_row *row = row_of(sim);
    struct breaker breaker = breaker_unpack(atomic_load(&row->breaker));
    struct window_sum sum;
    tally_sum(row, &sim->conf, breaker.generation, sim->now_ns, &sum);
    for (int i = 0; i < COUNTER_COUNT; i++)
        fprintf(out, " %s=%" PRIu64, names[i], atomic_load(&row->counter[i]));
    fprintf(out, " connections=%u queued=%u consecutive_failures=%u window_calls=%u window_failed=%u window_slow=%u",
            ledger_count(atomic_load(&row->account)), ledger_count(atomic_load(&row->queue)), breaker.consecutive,
            sum.calls, sum.failed, sum.slow);
    fprintf(out, " failure_ratio=%.4f next_attempt_ms=%.3f", sum.calls ? (double)sum.failed / sum.calls : 0.0,
            (double)breaker_wait_ns(&breaker, &sim->conf, sim->now_ns) / 1e6);
    int64_t limit = limit_now(row, &sim->conf);
    if (limit > 0)
        fprintf(out, " limit=%" PRId64, limit);
    else
        fputs(" limit=off", out);
    show_learned(sim, "connect", LEARN_CONNECT, sim->conf.timeout_connect_ns, out);
    show_learned(sim, "probe", LEARN_CONNECT, sim->conf.timeout_probe_ns, out);
    show_learned(sim, "response", LEARN_RESPONSE, sim->conf.timeout_response_ns, out);
}
