/* SPDX-License-Identifier: MIT
 * Driving the breaker's steps over shared memory. */
#include "segment/gate.h"

#include "base/clock.h"
#include "policy/lease.h"
#include "real/raw.h"
#include "segment/events.h"
#include "segment/force.h"
#include "segment/learn.h"
#include "segment/registry.h"
#include "segment/tally.h"

static struct seg_row *row_of(const struct gate *gate)
{
    return seg_row(gate->segment, gate->row);
}

static const struct seg_row *destination_of(const struct gate *gate)
{
    uint32_t parent = row_of(gate)->parent;
    return seg_row(gate->segment, parent < SEG_ROWS ? parent : gate->row);
}

/* mark = reason:8 | consecutive failures at that moment:12 | wall clock in ms:44 */
enum { MARK_MS_BITS = 44, MARK_FAILURES_MAX = 4095 };
#define MARK_MS_MASK ((1ull << MARK_MS_BITS) - 1)

enum reason gate_reason(const struct seg_row *row, uint64_t *wall_ms, uint32_t *failures)
{
    uint64_t mark = atomic_load_explicit(&row->breaker_mark, memory_order_relaxed);
    uint32_t reason = (uint32_t)(mark >> 56);
    *wall_ms = mark & MARK_MS_MASK;
    *failures = (uint32_t)(mark >> MARK_MS_BITS) & MARK_FAILURES_MAX;
    return reason < REASON_COUNT ? (enum reason)reason : REASON_NONE;
}

static void tell(const struct gate *gate, enum state from, enum state to, enum reason reason)
{
    struct event event = {
        .kind = reason == REASON_RESET ? EVENT_RESET : EVENT_STATE,
        .row = gate->row,
        .from = from,
        .to = to,
        .reason = reason,
        .error = reason == REASON_FORCED || reason == REASON_RESET ? gate->uid : 0,
        .program = gate->program,
    };
    event_write(gate->segment, &event);
}

static void announce(const struct gate *gate, enum state from, enum state to, enum reason reason, uint32_t failures)
{
    static const unsigned char counters[] = {
        [STATE_CLOSED] = COUNTER_closed, [STATE_OPEN] = COUNTER_opened, [STATE_HALF_OPEN] = COUNTER_half_opened};
    struct seg_row *row = row_of(gate);
    uint64_t shown = failures < MARK_FAILURES_MAX ? failures : MARK_FAILURES_MAX;
    uint64_t wall_ms = clock_wall_ns() / (uint64_t)NS_PER_MS;
    uint64_t mark = (uint64_t)reason << 56 | shown << MARK_MS_BITS | (wall_ms & MARK_MS_MASK);
    atomic_store_explicit(&row->breaker_mark, mark, memory_order_relaxed);
    if (to <= STATE_HALF_OPEN)
        seg_count(row, counters[to], 1);
    tell(gate, from, to, reason);
}

/* Commits a step. False when the word moved meanwhile: the caller takes the step anew from *word. */
static bool commit(const struct gate *gate, uint64_t *word, const struct breaker_step *step, const struct breaker *from)
{
    if (!step->changed)
        return true;
    if (!atomic_compare_exchange_strong(&row_of(gate)->breaker, word, breaker_pack(&step->next)))
        return false;
    if (step->reason != REASON_NONE)
        announce(gate, (enum state)from->state, (enum state)step->next.state, step->reason,
                 step->next.state == STATE_OPEN ? from->consecutive + 1 : 0);
    return true;
}

static uint32_t held_leases(const struct gate *gate, uint32_t generation, uint64_t now_ns, uint64_t longest_ns)
{
    uint32_t held = 0;
    for (int i = 0; i < SEG_LEASES; i++)
        held += lease_is_held(atomic_load(&row_of(gate)->lease[i]), generation, now_ns, longest_ns);
    return held;
}

enum lease_result { LEASE_TAKEN, LEASE_BUSY, LEASE_OUTDATED };

static bool is_outdated(const struct gate *gate, uint32_t generation)
{
    return breaker_unpack(atomic_load(&row_of(gate)->breaker)).generation != generation;
}

/* A free place, and then a look at how many are held: by others at the same moment, at places beyond a breaker.probes
 * that was lowered meanwhile, or beside results that used up some of the probes (the ratio mode). Of two too many both
 * step back. A place is looked at before the generation: a lease that seems to be of another one is then older than
 * ours, never a newer one that a slow caller would take away. */
static enum lease_result take_free_lease(const struct gate *gate, const struct breaker_step *step, uint64_t lease,
                                         uint64_t now_ns, struct admission *admission)
{
    struct seg_row *row = row_of(gate);
    const struct conf *conf = gate->conf;
    uint32_t generation = step->next.generation;
    uint64_t longest_ns =
        lease_time_ns(timeout_longest_ns(conf->timeout_probe_ns), timeout_longest_ns(conf->timeout_response_ns));
    for (uint32_t i = 0; i < (uint64_t)conf->breaker_probes && i < SEG_LEASES; i++) {
        uint64_t seen = atomic_load(&row->lease[i]);
        if (is_outdated(gate, generation))
            return LEASE_OUTDATED;
        if (lease_is_held(seen, generation, now_ns, longest_ns) ||
            !atomic_compare_exchange_strong(&row->lease[i], &seen, lease))
            continue;
        admission->lease_index = i;
        admission->lease = lease;
        bool outdated = is_outdated(gate, generation);
        if (!outdated && held_leases(gate, generation, now_ns, longest_ns) <= step->lease_limit)
            return LEASE_TAKEN;
        gate_give_back(gate, admission);
        return outdated ? LEASE_OUTDATED : LEASE_BUSY;
    }
    return LEASE_BUSY;
}

/* Leases whose owner died are free at once. The lease names the low bits of the owner word only; they are compared
 * with whoever stands at that index now. */
static bool reclaim_leases(const struct gate *gate)
{
    struct seg_row *row = row_of(gate);
    bool any = false;
    for (uint32_t i = 0; i < SEG_LEASES; i++) {
        uint64_t lease = atomic_load(&row->lease[i]);
        uint32_t owner = registry_owner_at(gate->segment, owner_index(lease_owner(lease)));
        uint32_t mask = (1u << LEASE_OWNER_BITS) - 1;
        bool same = owner != 0 && (owner & mask) == lease_owner(lease);
        if (lease == 0 || (same && registry_alive(gate->segment, owner)))
            continue;
        if (atomic_compare_exchange_strong(&row->lease[i], &lease, 0)) {
            seg_count(row, COUNTER_reclaimed, 1);
            any = true;
        }
    }
    return any;
}

/* While half-open, a call that found no place leaves its priority here, so that lower ones let it go first; for a
 * second, as it may never come back. wanted = priority:8 | ms:56. Any caller writes; nothing breaks if it is lost. */
enum { WANTED_MS = 1000 };
#define WANTED_MS_MASK ((1ull << 56) - 1)

static uint64_t wanted_priority(const struct gate *gate, uint64_t now_ms)
{
    uint64_t wanted = atomic_load_explicit(&row_of(gate)->wanted, memory_order_relaxed);
    uint64_t age_ms = (now_ms - wanted) & WANTED_MS_MASK;
    return age_ms <= WANTED_MS ? wanted >> 56 : 0;
}

static bool yields_to_another(const struct gate *gate, uint64_t now_ns)
{
    return wanted_priority(gate, now_ns / (uint64_t)NS_PER_MS) > gate->priority;
}

static void want(const struct gate *gate, bool granted, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / (uint64_t)NS_PER_MS, wanted = wanted_priority(gate, now_ms);
    if (gate->priority == 0 || wanted > gate->priority)
        return;
    atomic_store_explicit(&row_of(gate)->wanted, granted ? 0 : gate->priority << 56 | (now_ms & WANTED_MS_MASK),
                          memory_order_relaxed);
}

static enum lease_result take_lease(const struct gate *gate, const struct breaker_step *step, uint64_t now_ns,
                                    struct admission *admission)
{
    const struct conf *conf = gate->conf;
    const struct seg_row *destination = destination_of(gate);
    uint64_t expiry_ns = now_ns + lease_time_ns(learn_ns(destination, LEARN_CONNECT, conf->timeout_probe_ns),
                                                learn_ns(destination, LEARN_RESPONSE, conf->timeout_response_ns));
    uint64_t lease = lease_pack(step->next.generation, gate->owner, expiry_ns);
    enum lease_result result = LEASE_BUSY;
    if (!yields_to_another(gate, now_ns))
        result = take_free_lease(gate, step, lease, now_ns, admission);
    if (result == LEASE_BUSY && !yields_to_another(gate, now_ns) && reclaim_leases(gate))
        result = take_free_lease(gate, step, lease, now_ns, admission);
    if (result != LEASE_OUTDATED)
        want(gate, result == LEASE_TAKEN, now_ns);
    if (result == LEASE_TAKEN) {
        admission->ticket.probe = true;
        seg_count(row_of(gate), COUNTER_probes, 1);
    }
    return result;
}

static void start_anew(const struct gate *gate, enum state from, enum state to, enum reason reason);

/* A state that was laid over a row has ended: the first call that finds it tells so. */
static void collect_force(const struct gate *gate, uint32_t index, uint64_t now_ns)
{
    struct gate own = *gate;
    uint32_t ended = force_collect(seg_row(gate->segment, index), now_ns);
    own.above = index != gate->row;
    own.row = index;
    if (ended)
        start_anew(&own, (enum state)ended, STATE_CLOSED, REASON_FORCE_ENDED);
}

/* What is laid over this row or its destination's. */
static uint32_t forced_now(const struct gate *gate, uint64_t now_ns)
{
    uint32_t parent = row_of(gate)->parent;
    uint32_t above = parent < SEG_ROWS ? parent : gate->row;
    if (__builtin_expect((atomic_load_explicit(&row_of(gate)->forced, memory_order_relaxed) |
                          atomic_load_explicit(&seg_row(gate->segment, above)->forced, memory_order_relaxed)) == 0,
                         1))
        return 0;
    collect_force(gate, gate->row, now_ns);
    collect_force(gate, above, now_ns);
    return force_at(gate->segment, gate->row, now_ns);
}

enum verdict gate_admit(const struct gate *gate, uint64_t now_ns, struct admission *admission)
{
    struct seg_row *row = row_of(gate);
    uint32_t forced = forced_now(gate, now_ns);
    uint64_t word = atomic_load_explicit(&row->breaker, memory_order_acquire);
    *admission = (struct admission){0};
    if (forced == STATE_FORCED_OPEN || forced == STATE_DRAINING)
        return VERDICT_BREAKER_OPEN;
    for (;;) {
        struct breaker now = breaker_unpack(word);
        admission->ticket.generation = now.generation;
        if (now.state == STATE_CLOSED || forced == STATE_FORCED_CLOSED)
            return VERDICT_ADMIT;
        struct breaker_step step = breaker_admit(&now, gate->conf, now_ns);
        if (!commit(gate, &word, &step, &now))
            continue;
        admission->ticket.generation = step.next.generation;
        if (!step.needs_lease)
            return step.verdict;
        enum lease_result result = take_lease(gate, &step, now_ns, admission);
        if (result != LEASE_OUTDATED)
            return result == LEASE_TAKEN ? VERDICT_ADMIT : VERDICT_PROBE_BUSY;
        word = atomic_load(&row->breaker); /* it moved on while we looked for a place: ask again */
    }
}

void gate_ticket(const struct gate *gate, struct admission *admission)
{
    struct breaker now = breaker_unpack(atomic_load_explicit(&row_of(gate)->breaker, memory_order_relaxed));
    *admission = (struct admission){.ticket = {.generation = now.generation}};
}

/* A result in the window, once; one that was counted in flight is only corrected. */
static void count_result(const struct gate *gate, struct admission *admission, uint32_t generation,
                         enum outcome outcome, bool slow, uint64_t now_ns)
{
    bool failed = outcome == OUTCOME_FAILURE || outcome == OUTCOME_OVERLOAD;
    if (admission->counted == 0)
        admission->counted = tally_count(row_of(gate), gate->conf, generation, failed, slow, now_ns);
    else if (failed)
        tally_fail(row_of(gate), gate->conf, generation, admission->counted);
}

/* Whoever forced it decides: nothing is counted. */
static bool is_forced(const struct gate *gate, uint64_t now_ns)
{
    return force_at(gate->segment, gate->row, now_ns) != 0;
}

void gate_slow(const struct gate *gate, struct admission *admission, uint64_t now_ns, uint64_t random)
{
    struct seg_row *row = row_of(gate);
    uint64_t word = atomic_load_explicit(&row->breaker, memory_order_acquire);
    struct window_sum sum = {0};
    for (;;) {
        struct breaker now = breaker_unpack(word);
        bool current = now.generation == admission->ticket.generation && now.state != STATE_OPEN;
        bool probe = now.state == STATE_HALF_OPEN && admission->ticket.probe;
        if (!current || is_forced(gate, now_ns) || (!probe && now.state != STATE_CLOSED) ||
            (probe && (admission->spent || gate->conf->breaker_halfopen != HALFOPEN_STRICT)))
            return;
        if (!probe && admission->counted == 0)
            admission->counted = tally_count(row, gate->conf, now.generation, false, true, now_ns);
        tally_sum(row, gate->conf, now.generation, now_ns, &sum);
        struct breaker_step step =
            breaker_result(&now, gate->conf, admission->ticket, OUTCOME_LUMPED, true, &sum, now_ns, random, 0);
        if (!commit(gate, &word, &step, &now))
            continue;
        admission->spent = probe;
        return;
    }
}

bool gate_good(const struct gate *gate, struct admission *admission, uint64_t now_ns)
{
    struct seg_row *row = row_of(gate);
    uint64_t word = atomic_load_explicit(&row->breaker, memory_order_acquire);
    uint32_t generation = admission->ticket.generation;
    if (admission->lease != 0 || admission->spent || !breaker_is_at_rest(word, generation) || is_forced(gate, now_ns))
        return false;
    if (!tally_is_wanted(gate->conf))
        return true;
    count_result(gate, admission, generation, OUTCOME_SUCCESS, false, now_ns);
    return tally_is_clean(row, gate->conf); /* looked at after counting: of two at once the second sees both */
}

void gate_result(const struct gate *gate, struct admission *admission, enum outcome outcome, bool slow, uint64_t now_ns,
                 uint64_t random, uint64_t retry_after_ns)
{
    struct seg_row *row = row_of(gate);
    uint64_t word = atomic_load_explicit(&row->breaker, memory_order_acquire);
    struct window_sum sum = {0};
    bool counted = false;
    if (is_forced(gate, now_ns)) {
        if (breaker_unpack(word).generation != admission->ticket.generation)
            seg_count(row, COUNTER_late, 1);
        gate_give_back(gate, admission);
        return;
    }
    if (admission->spent && breaker_unpack(word).generation == admission->ticket.generation)
        outcome = OUTCOME_IGNORED;
    for (;;) {
        struct breaker now = breaker_unpack(word);
        bool current = now.state == STATE_CLOSED && now.generation == admission->ticket.generation;
        if (current && !counted && outcome == OUTCOME_FAILURE &&
            !tally_is_fresh(row, gate->conf, now.generation, now_ns))
            outcome = OUTCOME_LUMPED;
        if (current && outcome != OUTCOME_IGNORED && tally_is_wanted(gate->conf)) {
            if (!counted && outcome != OUTCOME_LUMPED)
                count_result(gate, admission, now.generation, outcome, slow, now_ns);
            if (outcome != OUTCOME_SUCCESS || !tally_is_clean(row, gate->conf))
                tally_sum(row, gate->conf, now.generation, now_ns, &sum);
        }
        counted |= current;
        struct breaker_step step =
            breaker_result(&now, gate->conf, admission->ticket, outcome, slow, &sum, now_ns, random, retry_after_ns);
        if (!commit(gate, &word, &step, &now))
            continue;
        if (step.late)
            seg_count(row, COUNTER_late, 1);
        if (step.reason == REASON_PROBES_OK)
            atomic_store_explicit(&row->up_since_ns, now_ns, memory_order_relaxed); /* it came back */
        break;
    }
    gate_give_back(gate, admission);
}

void gate_give_back(const struct gate *gate, struct admission *admission)
{
    uint64_t lease = admission->lease;
    if (lease != 0)
        atomic_compare_exchange_strong(&row_of(gate)->lease[admission->lease_index], &lease, 0);
    admission->lease = 0;
}

static void start_anew(const struct gate *gate, enum state from, enum state to, enum reason reason)
{
    struct seg_row *row = row_of(gate);
    uint64_t word = atomic_load(&row->breaker);
    if (gate->above) {
        tell(gate, from, to, reason); /* there is no breaker here: those of the endpoints stand as they are */
        return;
    }
    for (;;) {
        struct breaker now = breaker_unpack(word);
        struct breaker_step step = breaker_reset(&now, reason);
        if (!atomic_compare_exchange_strong(&row->breaker, &word, breaker_pack(&step.next)))
            continue;
        announce(gate, from ? from : (enum state)now.state, to, reason, 0);
        return;
    }
}

void gate_reset(const struct gate *gate)
{
    uint32_t was = force_set(row_of(gate), 0, 0, NULL, clock_now_ns());
    start_anew(gate, (enum state)was, STATE_CLOSED, REASON_RESET);
}

void gate_healthy(const struct gate *gate, uint64_t now_ns)
{
    struct seg_row *row = row_of(gate);
    uint64_t word = atomic_load(&row->breaker);
    for (;;) {
        struct breaker now = breaker_unpack(word);
        if (now.state == STATE_CLOSED || is_forced(gate, now_ns))
            break;
        struct breaker_step step = breaker_reset(&now, REASON_HEALTH);
        if (commit(gate, &word, &step, &now))
            break;
    }
    atomic_store_explicit(&row->up_since_ns, now_ns, memory_order_relaxed);
}

void gate_force(const struct gate *gate, enum state state, uint64_t until_ns, uint64_t now_ns)
{
    uint32_t forced = state > STATE_HALF_OPEN ? (uint32_t)state : 0;
    struct force_author author = {gate->uid, (uint32_t)raw_getpid(), clock_wall_ns()};
    uint32_t was = force_set(row_of(gate), forced, until_ns, &author, now_ns);
    if (was != forced)
        start_anew(gate, (enum state)was, forced ? state : STATE_CLOSED, REASON_FORCED);
}

void gate_trip(const struct gate *gate, uint64_t open_ns, uint64_t now_ns, uint64_t random)
{
    uint64_t word = atomic_load(&row_of(gate)->breaker);
    for (;;) {
        struct breaker now = breaker_unpack(word);
        struct breaker_step step = breaker_trip(&now, gate->conf, open_ns, now_ns, random);
        if (commit(gate, &word, &step, &now))
            return;
    }
}
