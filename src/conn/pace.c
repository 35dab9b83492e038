/* SPDX-License-Identifier: MIT
 * Turns and slots of exchanges. */
#include "conn/pace.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/admit.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/park.h"
#include "conn/slots.h"
#include "segment/limit.h"

/* A queued exchange looks at its turn so often while it is parked: the turn may come because a holder died. */
#define SLICE_NS 50000000ull

static struct rate_step ask_turn(uint64_t state, const struct conf *conf, uint64_t now_ns, uint64_t longest_ns)
{
    struct rate_step step = rate_step(state, conf, now_ns, longest_ns > 0);
    step.admitted = step.admitted && step.wait_ns <= longest_ns;
    return step;
}

struct rate_step pace_turn(const struct account *account, const struct conf *conf, uint64_t now_ns, uint64_t longest_ns)
{
    _Atomic uint64_t *state = &seg_row(account->segment, account->row)->rate_ns;
    uint64_t seen = atomic_load(state);
    struct rate_step step = ask_turn(seen, conf, now_ns, longest_ns);
    while (step.admitted && step.next != seen && !atomic_compare_exchange_weak(state, &seen, step.next))
        step = ask_turn(seen, conf, now_ns, longest_ns);
    return step;
}

void pace_open(struct conn *conn, const char *name)
{
    const struct conf *conf = conn->conf;
    bool slots = conf->bulkhead_unit == BULKHEAD_EXCHANGE && limit_now(seg_row(&host.segment, conn->row), conf) > 0;
    bool rate = conf->rate_unit != RATE_CONNECTIONS && conf->rate_limit > 0 && !(host.disabled & DISABLE_RATE);
    if (slots && account_find(conf->bulkhead_per, ACCOUNT_OF_EXCHANGES, conn->row, name, &conn->slot_account))
        conn->paced |= PACE_SLOT;
    if (rate && account_find(conf->rate_per, ACCOUNT_OF_CONNECTIONS, conn->row, name, &conn->rate_account))
        conn->paced |= conf->rate_unit == RATE_BYTES ? PACE_BYTES : PACE_EXCHANGES;
}

static bool refuse(const struct conn *conn, enum verdict verdict, uint64_t now_ns)
{
    if (!admit_applies(conn->conf, conn->endpoint, conn->cookie))
        return false;
    admit_announce(conn->endpoint, verdict, ETIMEDOUT, now_ns);
    errno = ETIMEDOUT;
    return true;
}

/* Where nobody can be told to come back later, the call is refused instead (DESIGN: parking). */
static bool park_until(struct conn *conn, int fd, uint64_t until_ns)
{
    if (!park_begin(conn, fd, until_ns))
        return false;
    errno = EAGAIN;
    return true;
}

/* The rate limiter. For bytes the question is only whether the limiter is conforming: what was written is charged
 * afterwards, for nobody knows before how much the kernel takes. */
static bool wait_turn(struct conn *conn, int fd, bool blocking)
{
    const struct conf *conf = conn->conf;
    uint64_t now_ns = clock_now_ns();
    uint64_t turn_ns = atomic_exchange(&conn->turn_ns, 0); /* a turn that was promised */
    bool may_wait = conf->rate_max_wait_ns > 0 && conf->mode == MODE_ENFORCE;
    struct rate_step step = {.admitted = true, .wait_ns = turn_ns > now_ns ? turn_ns - now_ns : 0};
    if (turn_ns == 0 && (conn->paced & PACE_BYTES))
        step = rate_peek(atomic_load(&seg_row(conn->rate_account.segment, conn->rate_account.row)->rate_ns), conf,
                         now_ns, may_wait);
    else if (turn_ns == 0)
        step = pace_turn(&conn->rate_account, conf, now_ns, may_wait ? UINT64_MAX : 0);
    if (!step.admitted)
        return !refuse(conn, VERDICT_RATE, now_ns);
    if (step.wait_ns == 0)
        return true;
    if (blocking) {
        inject_sleep((int64_t)step.wait_ns);
        return true;
    }
    atomic_store(&conn->turn_ns, now_ns + step.wait_ns);
    if (park_until(conn, fd, now_ns + step.wait_ns))
        return false;
    atomic_store(&conn->turn_ns, 0);
    return !refuse(conn, VERDICT_RATE, now_ns);
}

static struct slot_wish wish_of(const struct conn *conn, int fd, uint64_t now_ns)
{
    const struct conf *conf = conn->conf;
    bool enforced = conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_BULKHEAD);
    return (struct slot_wish){
        .conf = conf,
        .account = conn->slot_account,
        .destination = conn->row,
        .endpoint = conn->endpoint,
        .fd = fd,
        .cookie = conn->cookie,
        .now_ns = now_ns,
        .limit = enforced ? limit_now(seg_row(&host.segment, conn->row), conf) : 0,
        .follows = true,
        .may_queue = enforced && conf->bulkhead_queue > 0,
    };
}

/* The queued slot of a descriptor that was parked: whether its turn has come. */
static bool queued_slot(struct conn *conn, int fd, bool blocking, bool *ok)
{
    struct held *held = &conn->held[SLOT_EXCHANGE];
    uint64_t now_ns = clock_now_ns(), expiry_ns = atomic_load(&conn->queued_until_ns);
    struct slot_wish wish = wish_of(conn, fd, now_ns);
    if (expiry_ns == 0)
        return false;
    *ok = blocking ? slots_wait(&wish, held, expiry_ns) == VERDICT_ADMIT : slots_turn(held, wish.limit, now_ns);
    if (!*ok && !blocking && now_ns < expiry_ns && park_until(conn, fd, now_ns + SLICE_NS))
        return true;
    atomic_store(&conn->queued_until_ns, 0);
    if (!*ok) {
        slots_release(held);
        *ok = !refuse(conn, VERDICT_QUEUE_TIMEOUT, now_ns);
    }
    return true;
}

static bool take_slot(struct conn *conn, int fd, bool blocking)
{
    struct held *held = &conn->held[SLOT_EXCHANGE];
    uint64_t now_ns = clock_now_ns(), expiry_ns;
    struct slot_wish wish = wish_of(conn, fd, now_ns);
    bool ok;
    if (queued_slot(conn, fd, blocking, &ok))
        return ok;
    enum ledger_result result = slots_take(&wish, held, &expiry_ns);
    if (result == LEDGER_OK || result == LEDGER_FULL_TABLE)
        return true;
    if (result == LEDGER_QUEUED) {
        atomic_store(&conn->queued_until_ns, expiry_ns);
        if (blocking) {
            queued_slot(conn, fd, true, &ok);
            return ok;
        }
        if (park_until(conn, fd, now_ns + SLICE_NS))
            return false;
        atomic_store(&conn->queued_until_ns, 0);
        slots_release(held);
    }
    return !refuse(conn, result == LEDGER_FULL_ACCOUNT ? VERDICT_BULKHEAD_FULL : VERDICT_QUEUE_FULL, now_ns);
}

/* Everything was switched off: who waits goes on, and holds nothing. */
static void leave_line(struct conn *conn)
{
    atomic_store(&conn->turn_ns, 0);
    if (atomic_exchange(&conn->queued_until_ns, 0))
        slots_release(&conn->held[SLOT_EXCHANGE]);
}

bool pace_write(struct conn *conn, int fd, bool blocking)
{
    enum conn_state state = conn_state(conn);
    bool opens = (state == CONN_FRESH || state == CONN_ANSWERING) && conn->conf->first_byte != FIRST_BYTE_NONE;
    if (host_off()) {
        leave_line(conn);
        return true;
    }
    if ((conn->paced & PACE_BYTES) && !wait_turn(conn, fd, blocking))
        return false;
    if (!opens)
        return true;
    if ((conn->paced & PACE_EXCHANGES) && !atomic_load(&conn->turn_taken)) {
        if (!wait_turn(conn, fd, blocking))
            return false;
        atomic_store(&conn->turn_taken, 1);
    }
    if ((conn->paced & PACE_SLOT) && !take_slot(conn, fd, blocking))
        return false;
    return true;
}

void pace_wrote(struct conn *conn, size_t bytes)
{
    bool opened = conn_state(conn) == CONN_WAITING;
    if (opened)
        atomic_store(&conn->turn_taken, 0);
    if ((conn->paced & PACE_SLOT) && !opened) {
        struct held held = conn->held[SLOT_EXCHANGE];
        slots_release(&held); /* nothing was sent, or the answer is here already */
    }
    if (!(conn->paced & PACE_BYTES) || bytes == 0)
        return;
    _Atomic uint64_t *state = &seg_row(conn->rate_account.segment, conn->rate_account.row)->rate_ns;
    uint64_t now_ns = clock_now_ns(), seen = atomic_load(state);
    while (!atomic_compare_exchange_weak(state, &seen, rate_charge(seen, conn->conf, now_ns, bytes)))
        ;
}

bool pace_again(struct conn *conn, uint64_t now_ns)
{
    uint64_t expiry_ns = atomic_load(&conn->queued_until_ns);
    if (expiry_ns == 0 || now_ns >= expiry_ns || host_off() ||
        slots_turn(&conn->held[SLOT_EXCHANGE], wish_of(conn, -1, now_ns).limit, now_ns))
        return false;
    park_prolong(conn, now_ns + SLICE_NS < expiry_ns ? now_ns + SLICE_NS : expiry_ns);
    return true;
}
