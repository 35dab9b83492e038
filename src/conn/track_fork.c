/* SPDX-License-Identifier: MIT
 * The connections of a process that forks, and of its child. */
#include <string.h>

#include "base/clock.h"
#include "conn/host.h"
#include "conn/judge.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "segment/registry.h"

void track_before_fork(void)
{
    uint32_t owner = atomic_load(&host.owner);
    if (owner && atomic_load(&conn_live) > 0)
        registry_forks(&host.segment, owner, clock_now_ns());
}

/* Likewise for a slot that is nobody's any more. */
static void acquire(struct conn *conn, enum slot_kind kind, uint64_t now_ns)
{
    struct held held = conn->held[kind];
    uint32_t owner = slots_owner(&held), generation = atomic_load(&conn->generation);
    struct slot_info info = {
        .row = held.row,
        .endpoint = conn->endpoint,
        .fd = (uint32_t)atomic_load(&conn->fd),
        .pid = atomic_load(&host.pid),
        .cookie = conn->cookie,
        .now_ns = now_ns,
    };
    if (ledger_acquire(held.segment, owner, &info, &held.slot) != LEDGER_OK)
        return;
    conn->held[kind] = held;
    if (atomic_load(&conn->generation) != generation) /* another thread closed it meanwhile */
        slots_release(&held);
}

void track_hold(struct conn *conn)
{
    uint64_t now_ns = clock_now_ns();
    for (int kind = 0; kind < SLOT_KINDS; kind++) {
        struct held *held = &conn->held[kind];
        if (!held->segment || held->slot.entry >= SEG_LEDGER)
            continue;
        if (!ledger_inherit(held->segment, &held->slot, slots_owner(held), now_ns))
            acquire(conn, (enum slot_kind)kind, now_ns);
    }
}

/* What was the parent's alone: its exchanges, and its shares in a segment of its own. */
static void forget_own(struct conn *conn)
{
    for (int kind = 0; kind < SLOT_KINDS; kind++)
        if (kind == SLOT_EXCHANGE || conn->held[kind].segment != &host.segment)
            conn->held[kind] = (struct held){0};
}

void track_after_fork(void)
{
    uint32_t index = 0;
    uint32_t parent = atomic_load(&host.parent_owner);
    bool ready = atomic_load(&host.attach_state) == ATTACH_READY;
    bool entered = ready && parent && atomic_load(&conn_live) > 0 && host_attach();
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index)) {
        conn->inherited = 1;
        atomic_store(&conn->seen_out, 0); /* the parent tells of those before */
        atomic_store(&conn->seen_in, 0);
        pending_after_fork(conn);
        park_drop(conn); /* the set is the parent's as well, who puts it back */
        conn->admission.lease = 0;
        atomic_store(&conn->admission_open, 0);
        atomic_store(&conn->judging, JUDGE_NOTHING);
        timer_stop(conn);
        conn_move(conn, CONN_WAITING, CONN_ANSWERING);
        forget_own(conn);
        if (entered)
            track_hold(conn);
        else
            memset(conn->held, 0, sizeof conn->held);
    }
    if (entered)
        registry_arrived(&host.segment, parent);
}
