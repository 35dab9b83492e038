/* SPDX-License-Identifier: MIT
 * Slots of one connection. */
#include "conn/slots.h"

#include "base/clock.h"
#include "conn/host.h"
#include "real/real.h"
#include "segment/learn.h"
#include "segment/limit.h"

uint64_t slots_priority(const struct conf *conf)
{
    return host.priority >= 0 ? (uint64_t)host.priority : (uint64_t)conf->priority;
}

static uint64_t expiry_of(const struct slot_wish *wish)
{
    const struct seg_row *destination = seg_row(&host.segment, wish->destination);
    int64_t wait_ns = learn_ns(destination, LEARN_CONNECT, wish->conf->bulkhead_queue_timeout_ns);
    uint64_t expiry_ns = wait_ns > 0 ? wish->now_ns + (uint64_t)wait_ns : UINT64_MAX / 2;
    return wish->end_ns && wish->end_ns < expiry_ns ? wish->end_ns : expiry_ns;
}

int64_t slots_limit(const struct slot_wish *wish)
{
    bool moves = wish->follows && wish->limit > 0;
    return moves
               ? limit_now(seg_row(&host.segment, wish->destination), host_current_conf(wish->destination, wish->conf))
               : wish->limit;
}

enum ledger_result slots_take(const struct slot_wish *wish, struct held *held, uint64_t *expiry_ns)
{
    *expiry_ns = expiry_of(wish);
    struct slot_info info = {
        .row = wish->account.row,
        .endpoint = wish->endpoint,
        .fd = (uint32_t)wish->fd,
        .pid = atomic_load(&host.pid),
        .cookie = wish->cookie,
        .now_ns = wish->now_ns,
        .limit = slots_limit(wish),
        .places = wish->may_queue ? wish->conf->bulkhead_queue : 0,
        .expiry_ns = *expiry_ns,
        .priority = slots_priority(wish->conf),
    };
    held->segment = wish->account.segment;
    held->row = wish->account.row;
    held->owner = wish->account.owner;
    return ledger_acquire(held->segment, wish->account.owner, &info, &held->slot);
}

bool slots_turn(const struct held *held, int64_t limit, uint64_t now_ns)
{
    if (held->slot.entry >= SEG_LEDGER)
        return true; /* the table was full: there is nothing to wait for */
    return ledger_is_held(held->segment, &held->slot) || ledger_turn(held->segment, &held->slot, limit, now_ns) ||
           ledger_is_held(held->segment, &held->slot);
}

/* In slices: the turn may come because a waiter or a holder died. */
enum verdict slots_wait(const struct slot_wish *wish, struct held *held, uint64_t expiry_ns)
{
    enum { SLICE_NS = 50000000 };
    const struct timespec none = {0};
    for (;;) {
        uint64_t seen = atomic_load(&seg_row(held->segment, wish->account.row)->account);
        uint64_t now_ns = clock_now_ns();
        if (ledger_turn(held->segment, &held->slot, slots_limit(wish), now_ns))
            return VERDICT_ADMIT;
        if (host_off()) {
            slots_release(held);
            return VERDICT_ADMIT;
        }
        if (now_ns >= expiry_ns) {
            ledger_leave(held->segment, &held->slot);
            return VERDICT_QUEUE_TIMEOUT;
        }
        uint64_t rest_ns = expiry_ns - now_ns;
        ledger_wait(held->segment, wish->account.row, seen, rest_ns < SLICE_NS ? rest_ns : SLICE_NS);
        real.ppoll(NULL, 0, &none, NULL); /* connect() and write() are cancellation points: so is their queue */
    }
}

uint32_t slots_owner(const struct held *held)
{
    return held->segment == &host.segment ? atomic_load(&host.owner) : held->owner;
}

void slots_release(struct held *held)
{
    if (held->segment && held->slot.entry < SEG_LEDGER) {
        struct slot slot = held->slot;
        ledger_leave(held->segment, &slot);
        ledger_release(held->segment, slots_owner(held), &held->slot);
    }
    held->segment = NULL;
    held->slot.entry = LEDGER_NONE;
}

void slots_release_all(struct held held[SLOT_KINDS])
{
    for (int kind = 0; kind < SLOT_KINDS; kind++)
        slots_release(&held[kind]);
}
