/* SPDX-License-Identifier: MIT
 * Admission. The order is fixed: rate( breaker( bulkhead( ... ))). */
#include "conn/admit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prng.h"
#include "config/match.h"
#include "conn/account.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/names.h"
#include "conn/pace.h"
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
        .priority = slots_priority(conf),
    };
}

/* Whether a rejection is really applied: not in observe mode, and only to the enforced share. */
bool admit_applies(const struct conf *conf, uint32_t endpoint, uint64_t seed)
{
    uint64_t random = prng_at(clock_now_ns(), seed, 1);
    if (conf->mode == MODE_ENFORCE && prng_below(random, PPM) < (uint64_t)conf->enforce_ppm)
        return true;
    seg_count(seg_row(&host.segment, endpoint), COUNTER_would_reject, 1);
    return false;
}

static bool applies(const struct attempt *attempt)
{
    return admit_applies(&attempt->destination->conf, attempt->endpoint, attempt->cookie);
}

static enum verdict ask_breaker(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    if (host.disabled & DISABLE_BREAKER) {
        gate_ticket(&gate, &attempt->admission);
        return VERDICT_ADMIT;
    }
    enum verdict verdict = gate_admit(&gate, attempt->now_ns, &attempt->admission);
    return verdict == VERDICT_ADMIT || applies(attempt) ? verdict : VERDICT_ADMIT;
}

static void give_back_admission(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    gate_give_back(&gate, &attempt->admission);
}

/* observe mode, or RESIL_DISABLE: the slot is taken all the same, for the count to be right. */
static void count_would_reject(const struct attempt *attempt, const struct account *account, int64_t limit)
{
    uint64_t word = atomic_load(&seg_row(account->segment, account->row)->account);
    if (limit > 0 && ledger_count(word) > (uint64_t)limit)
        seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_would_reject, 1);
}

/* One of the slots. Nobody waits with a probe's lease in hand: *waited tells that the breaker is to be asked again. */
static enum verdict take(struct attempt *attempt, enum slot_kind kind, struct account account, int64_t limit,
                         bool *waited)
{
    const struct conf *conf = &attempt->destination->conf;
    bool enforced = conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_BULKHEAD);
    struct held *held = &attempt->held[kind];
    uint64_t expiry_ns;
    struct slot_wish wish = {
        .conf = conf,
        .account = account,
        .endpoint = attempt->endpoint,
        .fd = attempt->fd,
        .cookie = attempt->cookie,
        .now_ns = attempt->now_ns,
        .end_ns = attempt->end_ns,
        .limit = enforced ? limit : 0,
        .may_queue = enforced && limit > 0 && conf->bulkhead_queue > 0 && !kernel_nonblocking(attempt->fd),
    };
    enum ledger_result result = slots_take(&wish, held, &expiry_ns);
    switch (result) {
    case LEDGER_QUEUED:
        give_back_admission(attempt);
        *waited = true;
        return slots_wait(&wish, held, expiry_ns);
    case LEDGER_FULL_ACCOUNT:
    case LEDGER_FULL_QUEUE:
        if (applies(attempt))
            return result == LEDGER_FULL_QUEUE ? VERDICT_QUEUE_FULL : VERDICT_BULKHEAD_FULL;
        wish.limit = 0;
        wish.may_queue = false;
        slots_take(&wish, held, &expiry_ns);
        return VERDICT_ADMIT;
    case LEDGER_FULL_TABLE:
        atomic_fetch_add(&seg_header(&host.segment)->dropped, 1);
        return VERDICT_ADMIT;
    case LEDGER_OK:
        break;
    }
    if (!enforced)
        count_would_reject(attempt, &account, limit);
    return VERDICT_ADMIT;
}

/* Every slot that an open connection holds. */
static enum verdict take_slots(struct attempt *attempt, bool *waited)
{
    const struct conf *conf = &attempt->destination->conf;
    const struct account whole = {&host.segment, attempt->row, atomic_load(&host.owner)};
    const struct account endpoint = {&host.segment, attempt->endpoint, whole.owner};
    bool by_connection = conf->bulkhead_unit == BULKHEAD_CONNECTION;
    bool shared = by_connection && conf->bulkhead_per != PER_HOST && conf->bulkhead_limit > 0;
    struct account share;
    enum verdict verdict = VERDICT_ADMIT;
    if (conf->bulkhead_endpoint_limit > 0 && attempt->endpoint != attempt->row)
        verdict = take(attempt, SLOT_ENDPOINT, endpoint, conf->bulkhead_endpoint_limit, waited);
    if (verdict == VERDICT_ADMIT && shared &&
        account_find(conf->bulkhead_per, ACCOUNT_OF_CONNECTIONS, attempt->row, attempt->name, &share))
        verdict = take(attempt, SLOT_SHARE, share, conf->bulkhead_limit, waited);
    if (verdict == VERDICT_ADMIT)
        verdict = take(attempt, SLOT_CONNECTION, whole, by_connection && !shared ? conf->bulkhead_limit : 0, waited);
    if (*waited)
        attempt->now_ns = clock_now_ns();
    return verdict;
}

/* A turn of the rate limiter; a blocking call may be told to wait for it. */
static enum verdict take_turn(struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    bool may_wait = conf->rate_max_wait_ns > 0 && conf->mode == MODE_ENFORCE && !kernel_nonblocking(attempt->fd);
    struct account account;
    if (conf->rate_limit <= 0 || conf->rate_unit != RATE_CONNECTIONS ||
        !account_find(conf->rate_per, ACCOUNT_OF_CONNECTIONS, attempt->row, attempt->name, &account))
        return VERDICT_ADMIT;
    struct rate_step step = pace_turn(&account, conf, attempt->now_ns, may_wait);
    if (step.admitted && step.wait_ns > 0) {
        inject_sleep((int64_t)step.wait_ns);
        attempt->now_ns = clock_now_ns();
    }
    return step.admitted || !applies(attempt) ? VERDICT_ADMIT : VERDICT_RATE;
}

/* Breaker, then bulkhead; with order = bulkhead-outside the other way round. What an earlier attempt of the same call
 * left in our hands (DESIGN: order) is not asked for again. */
static enum verdict ask_both(struct attempt *attempt)
{
    bool waited = false;
    enum verdict verdict = VERDICT_ADMIT;
    bool slots_first = attempt->destination->conf.order == ORDER_BULKHEAD_OUTSIDE;
    if (slots_first && !attempt->has_slots)
        verdict = take_slots(attempt, &waited);
    if (verdict == VERDICT_ADMIT && !attempt->has_admission)
        verdict = ask_breaker(attempt);
    if (slots_first || verdict != VERDICT_ADMIT)
        return verdict;
    waited = false;
    verdict = take_slots(attempt, &waited);
    return verdict == VERDICT_ADMIT && waited ? ask_breaker(attempt) : verdict;
}

enum verdict admit_ask(struct attempt *attempt)
{
    enum verdict verdict = take_turn(attempt);
    if (verdict == VERDICT_ADMIT)
        verdict = ask_both(attempt);
    if (verdict == VERDICT_ADMIT) {
        attempt->has_slots = attempt->has_admission = false; /* the record's from here on */
        return verdict;
    }
    if (!attempt->has_admission)
        give_back_admission(attempt);
    if (!attempt->has_slots)
        slots_release_all(attempt->held);
    return verdict;
}

void admit_give_back(struct attempt *attempt)
{
    give_back_admission(attempt);
    slots_release_all(attempt->held);
    attempt->has_slots = attempt->has_admission = false;
}

void admit_settle(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    if (attempt->has_admission && !(host.disabled & DISABLE_BREAKER))
        gate_result(&gate, &attempt->admission, attempt->kept, false, clock_now_ns(),
                    prng_at(host.chaos_seed, attempt->now_ns, attempt->cookie));
    admit_give_back(attempt);
}

void admit_announce(uint32_t endpoint, enum verdict verdict, int error, uint64_t now_ns)
{
    static const unsigned char counters[VERDICT_COUNT] = {
#define VERDICT(id, name, counter) COUNTER_##counter,
#include "tables/verdicts.tbl.h"
    };
    struct seg_row *row = seg_row(&host.segment, endpoint);
    struct event event = {
        .kind = EVENT_REJECTED,
        .row = endpoint,
        .reason = verdict,
        .error = (uint32_t)error,
        .program = host.program,
    };
    seg_count(row, counters[verdict], 1);
    event_refusal(&host.segment, &event, now_ns);
    host_log("%s %s: refused: %s", row->name, row->label, verdict_names[verdict]);
}

int admit_refuse(const struct attempt *attempt, enum verdict verdict)
{
    static const int errnos[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED, ECONNRESET};
    const struct conf *conf = &attempt->destination->conf;
    int error = errnos[conf->reject_errno];
    admit_announce(attempt->endpoint, verdict, error, attempt->now_ns);
    if (conf->reject_delay_ns > 0 && !kernel_nonblocking(attempt->fd))
        inject_sleep(conf->reject_delay_ns);
    errno = error;
    return -1;
}
