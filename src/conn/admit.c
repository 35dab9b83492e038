/* SPDX-License-Identifier: MIT
 * Admission. The order is fixed: rate( breaker( bulkhead( ... ))). */
#include "conn/admit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prng.h"
#include "config/match.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/names.h"
#include "policy/rate.h"
#include "real/real.h"
#include "segment/events.h"
#include "segment/rows.h"

/* RESIL_CHAOS alone strikes what no rule names: such connections belong to a destination of their own. */
const struct rule_destination admit_chaos_destination = {.conf = {.mode = MODE_ENFORCE}};
#define CHAOS_DESTINATION "unmatched"

static uint32_t destination_row(const struct attempt *attempt)
{
    struct row_key key = {.kind = ROW_DESTINATION, .name = attempt->name};
    if (attempt->destination == &admit_chaos_destination)
        return rows_get(&host.segment, &key);
    _Atomic uint32_t *known = host_rule_rows(attempt->rules) + attempt->index;
    uint32_t row = atomic_load_explicit(known, memory_order_relaxed);
    if (row == ROW_NONE) {
        row = rows_get(&host.segment, &key);
        atomic_store_explicit(known, row, memory_order_relaxed);
    }
    return row;
}

static bool find_rows(struct attempt *attempt)
{
    attempt->row = destination_row(attempt);
    if (attempt->row == ROW_NONE)
        return false;
    struct row_key key = {
        .kind = ROW_ENDPOINT,
        .parent = attempt->row,
        .family = (uint16_t)attempt->to.family,
        .port = attempt->to.port,
        .name = attempt->name,
        .path = attempt->to.family == AF_UNIX ? attempt->to.path : NULL,
    };
    memcpy(key.addr, attempt->to.addr, sizeof key.addr);
    attempt->endpoint = rows_get(&host.segment, &key);
    if (attempt->endpoint == ROW_NONE)
        attempt->endpoint = attempt->row; /* table full: one breaker for the rest */
    return true;
}

bool admit_find(struct attempt *attempt)
{
    char name[NAMES_MAX];
    struct match_query query = {
        .family = attempt->to.family,
        .port = attempt->to.port,
        .path = attempt->to.family == AF_UNIX ? attempt->to.path : NULL,
        .program = host.program,
        .uid = geteuid(),
    };
    memcpy(query.addr, attempt->to.addr, sizeof query.addr);
    if (attempt->to.family != AF_UNIX && names_find(attempt->to.family, attempt->to.addr, name, sizeof name))
        query.name = name;
    attempt->rules = host_rules();
    int index = attempt->rules ? rules_find(attempt->rules, &query, NULL) : -1;
    if (index >= 0) {
        attempt->index = (uint32_t)index;
        attempt->destination = rules_destination(attempt->rules, attempt->index);
        attempt->name = rules_text(attempt->rules, attempt->destination->name);
        return attempt->destination->conf.mode != MODE_OFF && find_rows(attempt);
    }
    if (attempt->to.family != AF_UNIX) {
        atomic_fetch_add_explicit(&seg_header(&host.segment)->foreign, 1, memory_order_relaxed);
        unmatched_count(&host.segment, (uint16_t)attempt->to.family, attempt->to.port, attempt->to.addr,
                        attempt->now_ns);
    }
    attempt->destination = &admit_chaos_destination;
    attempt->name = CHAOS_DESTINATION;
    return host.faults.used > 0 && attempt->to.family != AF_UNIX && find_rows(attempt);
}

struct gate admit_gate(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    return (struct gate){
        .segment = &host.segment,
        .row = conf->breaker_scope == SCOPE_DESTINATION ? attempt->row : attempt->endpoint,
        .conf = conf,
        .owner = atomic_load(&host.owner),
        .program = host.program,
    };
}

/* Whether a rejection is really applied: not in observe mode, and only to the enforced share. */
static bool applies(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    uint64_t random = prng_at(attempt->now_ns, attempt->cookie, 1);
    if (conf->mode == MODE_ENFORCE && prng_below(random, PPM) < (uint64_t)conf->enforce_ppm)
        return true;
    seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_would_reject, 1);
    return false;
}

/* Waits for the queued slot's turn. In slices: the turn may come because a waiter or a holder died. */
static enum verdict wait_in_queue(struct attempt *attempt, uint64_t expiry_ns)
{
    enum { SLICE_NS = 50000000 };
    const struct conf *conf = &attempt->destination->conf;
    const struct timespec none = {0};
    for (;;) {
        uint64_t seen = atomic_load(&seg_row(&host.segment, attempt->row)->account);
        uint64_t now_ns = clock_now_ns();
        if (ledger_turn(&host.segment, &attempt->slot, conf->bulkhead_limit, now_ns)) {
            attempt->now_ns = now_ns;
            return VERDICT_ADMIT;
        }
        if (now_ns >= expiry_ns) {
            ledger_leave(&host.segment, &attempt->slot);
            return VERDICT_QUEUE_TIMEOUT;
        }
        uint64_t rest_ns = expiry_ns - now_ns;
        ledger_wait(&host.segment, attempt->row, seen, rest_ns < SLICE_NS ? rest_ns : SLICE_NS);
        real.ppoll(NULL, 0, &none, NULL); /* connect() is a cancellation point: so is its queue */
    }
}

static struct slot_info describe(const struct attempt *attempt, bool enforced)
{
    const struct conf *conf = &attempt->destination->conf;
    int64_t wait_ns = conf->bulkhead_queue_timeout_ns > 0 ? conf->bulkhead_queue_timeout_ns : INT64_MAX / 2;
    if (conf->timeout_total_ns > 0 && conf->timeout_total_ns < wait_ns)
        wait_ns = conf->timeout_total_ns;
    bool may_queue = enforced && conf->bulkhead_queue > 0 && !kernel_nonblocking(attempt->fd);
    return (struct slot_info){
        .row = attempt->row,
        .endpoint = attempt->endpoint,
        .fd = (uint32_t)attempt->fd,
        .pid = atomic_load(&host.pid),
        .cookie = attempt->cookie,
        .now_ns = attempt->now_ns,
        .limit = enforced ? conf->bulkhead_limit : 0,
        .places = may_queue ? conf->bulkhead_queue : 0,
        .expiry_ns = attempt->now_ns + (uint64_t)wait_ns,
        .priority = (uint64_t)conf->priority,
    };
}

/* observe mode, or RESIL_DISABLE: the slot is taken all the same, for the count to be right. */
static void count_would_reject(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    uint64_t account = atomic_load(&seg_row(&host.segment, attempt->row)->account);
    if (conf->bulkhead_limit > 0 && ledger_count(account) > (uint64_t)conf->bulkhead_limit)
        seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_would_reject, 1);
}

static enum verdict ask_breaker(struct attempt *attempt, const struct gate *gate)
{
    if (host.disabled & DISABLE_BREAKER) {
        gate_ticket(gate, &attempt->admission);
        return VERDICT_ADMIT;
    }
    enum verdict verdict = gate_admit(gate, attempt->now_ns, &attempt->admission);
    return verdict == VERDICT_ADMIT || applies(attempt) ? verdict : VERDICT_ADMIT;
}

static enum verdict take_slot(struct attempt *attempt, const struct gate *gate)
{
    bool enforced = attempt->destination->conf.mode == MODE_ENFORCE && !(host.disabled & DISABLE_BULKHEAD);
    struct slot_info info = describe(attempt, enforced);
    uint32_t owner = atomic_load(&host.owner);
    enum ledger_result result = ledger_acquire(&host.segment, owner, &info, &attempt->slot);
    enum verdict full = result == LEDGER_FULL_QUEUE ? VERDICT_QUEUE_FULL : VERDICT_BULKHEAD_FULL;
    switch (result) {
    case LEDGER_QUEUED:
        /* Nobody waits with a probe's lease in hand; at its turn the breaker is asked again. */
        gate_give_back(gate, &attempt->admission);
        full = wait_in_queue(attempt, info.expiry_ns);
        return full == VERDICT_ADMIT ? ask_breaker(attempt, gate) : full;
    case LEDGER_FULL_ACCOUNT:
    case LEDGER_FULL_QUEUE:
        if (applies(attempt))
            return full;
        info.limit = info.places = 0;
        ledger_acquire(&host.segment, owner, &info, &attempt->slot);
        return VERDICT_ADMIT;
    case LEDGER_FULL_TABLE:
        atomic_fetch_add(&seg_header(&host.segment)->dropped, 1);
        return VERDICT_ADMIT;
    case LEDGER_OK:
        break;
    }
    if (!enforced)
        count_would_reject(attempt);
    return VERDICT_ADMIT;
}

static _Atomic uint64_t process_rate[SEG_ROWS]; /* rate.per = process: the state that others do not share */

/* A turn of the rate limiter; a blocking call may be told to wait for it. */
static enum verdict take_turn(struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    _Atomic uint64_t *state = conf->rate_per == RATE_PER_PROCESS ? &process_rate[attempt->row]
                                                                 : &seg_row(&host.segment, attempt->row)->rate_ns;
    bool may_wait = conf->rate_limit > 0 && conf->rate_max_wait_ns > 0 && conf->mode == MODE_ENFORCE &&
                    !kernel_nonblocking(attempt->fd);
    uint64_t seen = atomic_load(state);
    struct rate_step step = rate_step(seen, conf, attempt->now_ns, may_wait);
    while (step.admitted && step.next != seen && !atomic_compare_exchange_weak(state, &seen, step.next))
        step = rate_step(seen, conf, attempt->now_ns, may_wait);
    if (step.admitted && step.wait_ns > 0) {
        inject_sleep((int64_t)step.wait_ns);
        attempt->now_ns = clock_now_ns();
    }
    return step.admitted ? VERDICT_ADMIT : VERDICT_RATE;
}

enum verdict admit_ask(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    attempt->slot.entry = LEDGER_NONE;
    enum verdict verdict = take_turn(attempt);
    if (verdict != VERDICT_ADMIT && applies(attempt))
        return verdict;
    verdict = ask_breaker(attempt, &gate);
    if (verdict != VERDICT_ADMIT)
        return verdict;
    verdict = take_slot(attempt, &gate);
    if (verdict != VERDICT_ADMIT) {
        gate_give_back(&gate, &attempt->admission);
        ledger_release(&host.segment, &attempt->slot);
    }
    return verdict;
}

int admit_refuse(const struct attempt *attempt, enum verdict verdict)
{
    static const int errnos[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED, ECONNRESET};
    static const unsigned char counters[VERDICT_COUNT] = {
#define VERDICT(id, name, counter) COUNTER_##counter,
#include "tables/verdicts.tbl.h"
    };
    int error = errnos[attempt->destination->conf.reject_errno];
    struct event event = {
        .kind = EVENT_REJECTED,
        .row = attempt->endpoint,
        .reason = verdict,
        .error = (uint32_t)error,
        .program = host.program,
    };
    seg_count(seg_row(&host.segment, attempt->endpoint), counters[verdict], 1);
    event_refusal(&host.segment, &event, attempt->now_ns);
    host_log("%s %s: connect refused: %s", attempt->name, seg_row(&host.segment, attempt->endpoint)->label,
             verdict_names[verdict]);
    errno = error;
    return -1;
}
