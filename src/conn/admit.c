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
#include "conn/claim.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/lookup.h"
#include "conn/names.h"
#include "conn/pace.h"
#include "conn/steer.h"
#include "policy/rate.h"
#include "real/real.h"
#include "segment/events.h"
#include "segment/learn.h"
#include "segment/limit.h"
#include "segment/rows.h"

/* RESIL_CHAOS alone strikes what no rule names: such connections belong to a destination of their own. */
const struct rule_destination admit_chaos_destination = {.conf = {.mode = MODE_ENFORCE}};

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
    attempt->endpoint = attempt->row;
    if (steer_wanted(attempt->destination))
        return true; /* its rows are those of its endpoints, not of what the application asks for */
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
    const char *service = attempt->to.family == AF_UNIX ? NULL : lookup_name(attempt->to.family, attempt->to.addr);
    attempt->nowhere = service != NULL;
    if (service && !query.name)
        query.name = service;
    attempt->rules = host_rules();
    attempt->copy = copies_pin(attempt->rules);
    int index = attempt->rules ? rules_find(attempt->rules, &query, NULL) : -1;
    if (index >= 0) {
        attempt->index = (uint32_t)index;
        attempt->chaos_wall_ns = host_chaos_wall_ns(attempt->rules, attempt->index, attempt->now_ns);
        attempt->rules = host_effective(attempt->rules, &attempt->index, attempt->now_ns);
        attempt->destination = rules_destination(attempt->rules, attempt->index);
        attempt->name = rules_text(attempt->rules, attempt->destination->name);
        if (__builtin_expect(attempt->destination->conf.dns_stale_max_ns > 0, 0) && query.name && !attempt->nowhere)
            lookup_share(query.name, attempt->to.family, attempt->to.addr);
        return attempt->destination->conf.mode != MODE_OFF && find_rows(attempt);
    }
    if (attempt->to.family != AF_UNIX) {
        atomic_fetch_add_explicit(&seg_header(&host.segment)->foreign, 1, memory_order_relaxed);
        unmatched_count(&host.segment, (uint16_t)attempt->to.family, attempt->to.port, attempt->to.addr,
                        attempt->now_ns);
    }
    attempt->destination = &admit_chaos_destination;
    attempt->name = ADMIT_UNMATCHED;
    return host.faults.used > 0 && attempt->to.family != AF_UNIX && find_rows(attempt);
}

struct gate admit_gate(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    return (struct gate){
        .segment = &host.segment,
        .row = conf->breaker_scope == SCOPE_DESTINATION && !attempt->target ? attempt->row : attempt->endpoint,
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

enum verdict admit_breaker(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    if (host.disabled & DISABLE_BREAKER) {
        gate_ticket(&gate, &attempt->admission);
        return VERDICT_ADMIT;
    }
    enum verdict verdict = gate_admit(&gate, attempt->now_ns, &attempt->admission);
    return verdict == VERDICT_ADMIT || applies(attempt) ? verdict : VERDICT_ADMIT;
}

/* Endpoint by endpoint: the one that the balancer picks is asked; one whose probes are all under way is passed over. */
static enum verdict ask_endpoints(struct attempt *attempt)
{
    enum verdict last = VERDICT_ADMIT;
    slots_release(&attempt->held[SLOT_ENDPOINT]); /* of the endpoint before */
    memset(attempt->passed, 0, sizeof attempt->passed);
    for (;;) {
        enum verdict verdict = steer_pick(attempt);
        if (verdict != VERDICT_ADMIT && applies(attempt))
            return last == VERDICT_PROBE_BUSY ? last : verdict;
        if (verdict == VERDICT_BREAKER_OPEN && !attempt->insist_all) {
            attempt->insist_all = true; /* only observed: the call goes where it would have gone */
            continue;
        }
        if (verdict != VERDICT_ADMIT)
            steer_home(attempt);
        struct gate gate = admit_gate(attempt);
        if (attempt->has_admission)
            return VERDICT_ADMIT; /* of an earlier attempt of this call (order) */
        if (attempt->insist) {
            gate_ticket(&gate, &attempt->admission);
            return VERDICT_ADMIT;
        }
        last = admit_breaker(attempt);
        if (last == VERDICT_ADMIT || !attempt->steered || gate.row != attempt->endpoint)
            return last;
        steer_pass(attempt);
    }
}

static void give_back_admission(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    gate_give_back(&gate, &attempt->admission);
}

/* A turn that comes after timeout.total is none: the call is refused at once, and the turn is another one's. */
static uint64_t longest_wait_ns(const struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    if (conf->rate_max_wait_ns <= 0 || conf->mode != MODE_ENFORCE)
        return 0;
    if (attempt->end_ns == 0)
        return UINT64_MAX;
    return attempt->end_ns > attempt->now_ns ? attempt->end_ns - attempt->now_ns : 0;
}

/* A turn of the rate limiter: a blocking call sleeps until its turn, another one is told to come back then. */
static enum verdict take_turn(struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    struct account account;
    if (attempt->turn_ns) { /* it was told so */
        bool due = attempt->now_ns >= attempt->turn_ns;
        attempt->turn_ns = due ? 0 : attempt->turn_ns;
        return due ? VERDICT_ADMIT : VERDICT_WAIT;
    }
    if (attempt->queued || attempt->target || conf->rate_limit <= 0 || (host.disabled & DISABLE_RATE) ||
        conf->rate_unit != RATE_CONNECTIONS ||
        !account_find(conf->rate_per, ACCOUNT_OF_CONNECTIONS, attempt->row, attempt->name, &account))
        return VERDICT_ADMIT;
    struct rate_step step = pace_turn(&account, conf, attempt->now_ns, longest_wait_ns(attempt));
    if (!step.admitted)
        return applies(attempt) ? VERDICT_RATE : VERDICT_ADMIT;
    if (step.wait_ns > 0 && !attempt->blocking) {
        attempt->turn_ns = attempt->wait_until_ns = attempt->now_ns + step.wait_ns;
        return VERDICT_WAIT;
    }
    if (step.wait_ns > 0) {
        inject_sleep((int64_t)step.wait_ns);
        attempt->now_ns = clock_now_ns();
    }
    return VERDICT_ADMIT;
}

/* Breaker, then bulkhead; with order = bulkhead-outside the other way round, and likewise when the call comes back from
 * its queue: nobody waits there with a probe's lease in hand. What an earlier attempt of the same call kept (order) is
 * not asked for again. */
static enum verdict ask_both(struct attempt *attempt)
{
    bool slots_first = attempt->queued || attempt->destination->conf.order == ORDER_BULKHEAD_OUTSIDE;
    bool waited = false;
    enum verdict verdict = slots_first ? claim_slots(attempt, &waited) : VERDICT_ADMIT;
    if (verdict == VERDICT_ADMIT && attempt->steered && !attempt->queued)
        verdict = ask_endpoints(attempt);
    else if (verdict == VERDICT_ADMIT && !attempt->has_admission)
        verdict = admit_breaker(attempt);
    if ((slots_first && !attempt->steered) || verdict != VERDICT_ADMIT)
        return verdict;
    verdict = claim_slots(attempt, &waited);
    if (waited)
        give_back_admission(attempt);
    return verdict == VERDICT_ADMIT && waited ? admit_breaker(attempt) : verdict;
}

/* Everything was switched off while the call waited: it goes as it would without us, and holds nothing. */
static enum verdict let_through(struct attempt *attempt)
{
    struct gate gate = admit_gate(attempt);
    attempt->turn_ns = 0;
    attempt->queued = false;
    if (!attempt->has_admission)
        gate_ticket(&gate, &attempt->admission);
    if (!attempt->has_slots)
        slots_release_all(attempt->held);
    attempt->has_slots = attempt->has_admission = false;
    return VERDICT_ADMIT;
}

enum verdict admit_ask(struct attempt *attempt)
{
    if (host_off())
        return let_through(attempt);
    enum verdict verdict = take_turn(attempt);
    if (verdict == VERDICT_ADMIT)
        verdict = ask_both(attempt);
    if (verdict == VERDICT_WAIT)
        return verdict;
    attempt->queued = false;
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
                    prng_at(host.chaos_seed, attempt->now_ns, attempt->cookie), 0);
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

int admit_error(const struct attempt *attempt, enum verdict verdict)
{
    static const int errnos[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED, ECONNRESET};
    int error = errnos[attempt->destination->conf.reject_errno];
    admit_announce(attempt->endpoint, verdict, error, attempt->now_ns);
    return error;
}

int admit_refuse(const struct attempt *attempt, enum verdict verdict)
{
    const struct conf *conf = &attempt->destination->conf;
    int error = admit_error(attempt, verdict);
    if (conf->reject_delay_ns > 0 && attempt->blocking)
        inject_sleep(conf->reject_delay_ns);
    errno = error;
    return -1;
}
