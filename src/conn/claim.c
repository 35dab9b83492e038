/* SPDX-License-Identifier: MIT
 * Taking slots, one after the other. */
#include "conn/claim.h"

#include "base/clock.h"
#include "conn/host.h"
#include "conn/track.h"
#include "segment/limit.h"

/* Who cannot sleep looks at its turn so often: it may come because a holder died. */
#define SLICE_NS 50000000ull

/* observe mode, or RESIL_DISABLE: the slot is taken all the same, for the count to be right. */
static void count_would_reject(const struct attempt *attempt, const struct account *account, int64_t limit)
{
    uint64_t word = atomic_load(&seg_row(account->segment, account->row)->account);
    if (limit > 0 && ledger_count(word) > (uint64_t)limit)
        seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_would_reject, 1);
}

static enum verdict come_back(struct attempt *attempt)
{
    uint64_t slice_ns = attempt->now_ns + SLICE_NS;
    attempt->queued = true;
    attempt->wait_until_ns = slice_ns < attempt->queue_end_ns ? slice_ns : attempt->queue_end_ns;
    return VERDICT_WAIT;
}

/* A slot, or a place in the queue, that the call has from before. */
static enum verdict look_again(struct attempt *attempt, struct held *held, int64_t limit)
{
    if (slots_turn(held, limit, attempt->now_ns))
        return VERDICT_ADMIT;
    if (attempt->now_ns < attempt->queue_end_ns)
        return come_back(attempt);
    slots_release(held);
    return VERDICT_QUEUE_TIMEOUT;
}

static enum verdict refused(struct attempt *attempt, const struct slot_wish *wish, struct held *held,
                            enum ledger_result result)
{
    struct slot_wish freely = *wish;
    if (admit_applies(wish->conf, attempt->endpoint, attempt->cookie))
        return result == LEDGER_FULL_QUEUE ? VERDICT_QUEUE_FULL : VERDICT_BULKHEAD_FULL;
    freely.limit = 0;
    freely.may_queue = false;
    slots_take(&freely, held, &attempt->queue_end_ns);
    return VERDICT_ADMIT;
}

static enum verdict take(struct attempt *attempt, enum slot_kind kind, struct account account, int64_t limit,
                         bool *waited)
{
    const struct conf *conf = &attempt->destination->conf;
    bool enforced = conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_BULKHEAD);
    struct held *held = &attempt->held[kind];
    struct slot_wish wish = {
        .conf = conf,
        .account = account,
        .destination = attempt->row,
        .endpoint = attempt->endpoint,
        .fd = attempt->fd,
        .cookie = attempt->cookie,
        .now_ns = attempt->now_ns,
        .end_ns = attempt->end_ns,
        .limit = enforced ? limit : 0,
        .follows = kind != SLOT_ENDPOINT && !attempt->target,
        .may_queue = enforced && limit > 0 && conf->bulkhead_queue > 0,
    };
    if (held->segment)
        return look_again(attempt, held, slots_limit(&wish));
    enum ledger_result result = slots_take(&wish, held, &attempt->queue_end_ns);
    if (result != LEDGER_OK && result != LEDGER_QUEUED && track_sweep())
        result = slots_take(&wish, held, &attempt->queue_end_ns);
    switch (result) {
    case LEDGER_QUEUED:
        *waited = true;
        return attempt->blocking ? slots_wait(&wish, held, attempt->queue_end_ns) : come_back(attempt);
    case LEDGER_FULL_ACCOUNT:
    case LEDGER_FULL_QUEUE:
        return refused(attempt, &wish, held, result);
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

enum verdict claim_slots(struct attempt *attempt, bool *waited)
{
    const struct conf *conf = &attempt->destination->conf;
    const struct account whole = {&host.segment, attempt->row, atomic_load(&host.owner)};
    const struct account endpoint = {&host.segment, attempt->endpoint, whole.owner};
    bool by_connection = conf->bulkhead_unit == BULKHEAD_CONNECTION;
    int64_t limit = limit_now(seg_row(&host.segment, attempt->row), conf);
    bool shared = by_connection && conf->bulkhead_per != PER_HOST && limit > 0;
    struct account share;
    enum verdict verdict = VERDICT_ADMIT;
    if (attempt->target) { /* the destination's limits are about the destination */
        verdict = take(attempt, SLOT_CONNECTION, endpoint, conf->bulkhead_endpoint_limit, waited);
        if (*waited)
            attempt->now_ns = clock_now_ns();
        return verdict;
    }
    if ((conf->bulkhead_endpoint_limit > 0 || attempt->steered) && attempt->endpoint != attempt->row)
        verdict = take(attempt, SLOT_ENDPOINT, endpoint, conf->bulkhead_endpoint_limit, waited);
    if (verdict == VERDICT_ADMIT && shared &&
        account_find(conf->bulkhead_per, ACCOUNT_OF_CONNECTIONS, attempt->row, attempt->name, &share))
        verdict = take(attempt, SLOT_SHARE, share, limit, waited);
    if (verdict == VERDICT_ADMIT)
        verdict = take(attempt, SLOT_CONNECTION, whole, by_connection && !shared ? limit : 0, waited);
    if (*waited)
        attempt->now_ns = clock_now_ns();
    return verdict;
}
