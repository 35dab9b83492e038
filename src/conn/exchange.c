/* SPDX-License-Identifier: MIT
 * Exchanges of a connection. */
#include "conn/exchange.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/deadline.h"
#include "conn/inject.h"
#include "conn/judge.h"
#include "conn/kernel.h"
#include "conn/observe.h"
#include "conn/park.h"
#include "conn/steer.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/classify.h"
#include "policy/fault.h"
#include "segment/hist.h"

enum { SPEAKS_UNKNOWN, SPEAKS_CLIENT, SPEAKS_SERVER };

/* A request longer than this is timed from its last write: its transfer is not the backend's delay. */
#define LONG_REQUEST_BYTES 65536

static void learn_speaker(const struct conn *conn, uint32_t who)
{
    struct seg_row *row = observe_row(conn);
    uint32_t known = atomic_load_explicit(&row->speaks, memory_order_relaxed);
    if (known == SPEAKS_UNKNOWN || (known == SPEAKS_SERVER && who == SPEAKS_CLIENT))
        atomic_store_explicit(&row->speaks, who, memory_order_relaxed);
}

/* Opens an exchange at now_ns. The first one of a connection continues the connect's admission, and one that follows
 * an interim answer continues that of the exchange before. */
static void open_exchange(struct conn *conn, enum conn_state from, uint64_t now_ns)
{
    if (conn->conf->first_byte == FIRST_BYTE_NONE)
        return;
    bool continued = from == CONN_FRESH || (judge_pending(conn) && judge_continues(conn, now_ns));
    if (!continued || !atomic_load(&conn->admission_open)) {
        struct gate gate = observe_gate(conn);
        gate_ticket(&gate, &conn->admission);
    }
    atomic_store_explicit(&conn->started_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&conn->exchange_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->acked, 0, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&conn->delayed, memory_order_relaxed) != 0, 0))
        atomic_fetch_and_explicit(&conn->delayed, ~(uint32_t)FAULT_AT_READ, memory_order_relaxed);
    judge_open(conn);
    atomic_store_explicit(&conn->admission_open, 1, memory_order_release); /* before an answer can close it */
    if (!conn_move(conn, from, CONN_WAITING))
        return;
    atomic_fetch_add_explicit(&conn->exchanges, 1, memory_order_relaxed);
    timer_exchange(conn, now_ns);
}

/* More of a request that is already timed. */
static void continue_request(struct conn *conn, uint64_t bytes)
{
    uint64_t total = atomic_fetch_add_explicit(&conn->exchange_bytes, bytes, memory_order_relaxed) + bytes;
    if (total > LONG_REQUEST_BYTES)
        timer_start(conn, clock_now_ns(), timer_response_ns(conn));
}

/* We expected the server's greeting, and the client speaks: it is the client's exchange from here on. */
static void begin_request(struct conn *conn)
{
    uint64_t now_ns = clock_now_ns();
    learn_speaker(conn, SPEAKS_CLIENT);
    atomic_store_explicit(&conn->started_ns, now_ns, memory_order_relaxed);
    timer_exchange(conn, now_ns);
}

void exchange_wrote(struct conn *conn, uint64_t bytes, uint64_t begun_ns)
{
    enum conn_state state = conn_state(conn);
    seg_count(observe_row(conn), COUNTER_bytes_out, bytes);
    atomic_fetch_add_explicit(&conn->seen_out, bytes, memory_order_relaxed);
    if (state == CONN_CONNECTING) {
        track_connected(conn, clock_now_ns());
        state = conn_state(conn);
    }
    if (state == CONN_FRESH)
        learn_speaker(conn, SPEAKS_CLIENT);
    if (state == CONN_FRESH || state == CONN_ANSWERING)
        open_exchange(conn, state, begun_ns ? begun_ns : clock_now_ns());
    else if (state == CONN_WAITING && atomic_load(&conn->exchange_bytes) == 0)
        begin_request(conn);
    if (conn_state(conn) == CONN_WAITING)
        continue_request(conn, bytes);
}

/* The exchange is over, one way or another: its slot is free. The copy is read before the move: after it, another
 * thread may open the next exchange. */
static bool leave_waiting(struct conn *conn, enum conn_state to)
{
    struct held slot = conn->held[SLOT_EXCHANGE];
    if (!conn_move(conn, CONN_WAITING, to))
        return false;
    if (__builtin_expect(slot.segment != NULL, 0))
        slots_release(&slot);
    return true;
}

/* The first byte of an answer. False when there was no exchange, or somebody else saw it. */
static bool begin_answer(struct conn *conn, uint64_t now_ns)
{
    if (!leave_waiting(conn, CONN_ANSWERING))
        return false;
    uint64_t latency_ns = now_ns - atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    if (atomic_load_explicit(&conn->exchange_bytes, memory_order_relaxed) == 0)
        learn_speaker(conn, SPEAKS_SERVER);
    hist_add(&observe_row(conn)->response, latency_ns);
    atomic_store_explicit(&conn->slow_at_ns, 0, memory_order_relaxed);
    steer_learn(conn, latency_ns, now_ns);
    timer_start(conn, now_ns, conn->conf->timeout_idle_ns);
    return true;
}

void exchange_answered(struct conn *conn, uint64_t now_ns)
{
    if (begin_answer(conn, now_ns))
        observe(conn, OBSERVATION_ANSWERED, now_ns);
}

void exchange_arrived(struct conn *conn, uint64_t now_ns)
{
    if (begin_answer(conn, now_ns) && !judge_begin(conn, now_ns))
        observe(conn, OBSERVATION_ANSWERED, now_ns);
}

void exchange_read(struct conn *conn, uint64_t bytes)
{
    enum conn_state state = conn_state(conn);
    seg_count(observe_row(conn), COUNTER_bytes_in, bytes);
    atomic_fetch_add_explicit(&conn->seen_in, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&conn->received, bytes, memory_order_relaxed);
    if (state == CONN_CONNECTING) {
        track_connected(conn, clock_now_ns());
        state = conn_state(conn);
    }
    if (state == CONN_WAITING) {
        exchange_arrived(conn, clock_now_ns());
    } else if (state == CONN_FRESH) {
        uint64_t now_ns = clock_now_ns();
        open_exchange(conn, CONN_FRESH, now_ns);
        exchange_arrived(conn, now_ns);
    } else if (state == CONN_ANSWERING && conn->conf->timeout_idle_ns > 0) {
        timer_start(conn, clock_now_ns(), conn->conf->timeout_idle_ns);
    }
}

bool exchange_may_be_greeted(const struct conn *conn)
{
    int64_t who = conn->conf->first_byte;
    uint32_t learned = atomic_load_explicit(&observe_row(conn)->speaks, memory_order_relaxed);
    return who == FIRST_BYTE_SERVER || (who == FIRST_BYTE_AUTO && learned != SPEAKS_CLIENT);
}

/* Later looks are as far apart as the connect has lasted: few of them, and the exchange begins late by no more than
 * that. */
#define FIRST_LOOK_NS 1000000

uint64_t exchange_look(struct conn *conn, uint64_t now_ns)
{
    uint64_t at_ns = atomic_load_explicit(&conn->look_ns, memory_order_relaxed);
    uint64_t started_ns = atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    if (at_ns == 0 || now_ns < at_ns)
        return at_ns;
    int fd = atomic_load_explicit(&conn->fd, memory_order_relaxed);
    uint64_t pause_ns = now_ns > started_ns + FIRST_LOOK_NS ? now_ns - started_ns : FIRST_LOOK_NS;
    bool waits = conn_state(conn) == CONN_CONNECTING && kernel_cookie(fd) == conn->cookie &&
                 (park_holds(conn) || !track_settle(conn, fd));
    uint64_t next_ns = waits ? now_ns + pause_ns : 0;
    atomic_store_explicit(&conn->look_ns, next_ns, memory_order_relaxed);
    if (!waits)
        exchange_listen(conn);
    return next_ns;
}

static void look_soon(struct conn *conn)
{
    uint64_t none = 0;
    if (!conn->listens || atomic_load_explicit(&conn->look_ns, memory_order_relaxed) != 0)
        return;
    uint64_t at_ns = clock_now_ns() + FIRST_LOOK_NS;
    if (atomic_compare_exchange_strong(&conn->look_ns, &none, at_ns))
        deadline_lower(at_ns);
}

void exchange_listen(struct conn *conn)
{
    if (conn_state(conn) == CONN_CONNECTING)
        look_soon(conn);
    if (conn_state(conn) != CONN_FRESH)
        return;
    if (exchange_may_be_greeted(conn))
        open_exchange(conn, CONN_FRESH, clock_now_ns());
}

/* Its latency is not known, and not told. */
void exchange_unseen(struct conn *conn, const struct kernel_bytes *bytes, uint64_t now_ns)
{
    enum { TICK_NS = 10 * NS_PER_MS };
    if (conn_state(conn) != CONN_FRESH)
        return;
    open_exchange(conn, CONN_FRESH, now_ns - bytes->unasked_ns - TICK_NS);
    if (bytes->in > 0 && leave_waiting(conn, CONN_ANSWERING))
        observe(conn, OBSERVATION_ANSWERED, now_ns);
}

bool exchange_is_sent(struct conn *conn, int fd)
{
    uint64_t all = atomic_load_explicit(&conn->seen_out, memory_order_relaxed);
    uint64_t mine = atomic_load_explicit(&conn->exchange_bytes, memory_order_relaxed);
    return kernel_sending(fd, &conn->acked, all > mine ? all - mine : 0);
}

void exchange_slow(struct conn *conn, uint64_t now_ns)
{
    uint64_t at_ns = atomic_load_explicit(&conn->slow_at_ns, memory_order_relaxed);
    if (at_ns == 0 || now_ns < at_ns || !atomic_compare_exchange_strong(&conn->slow_at_ns, &at_ns, 0))
        return;
    int fd = atomic_load_explicit(&conn->fd, memory_order_relaxed);
    bool answered = conn_state(conn) == CONN_WAITING && kernel_received(fd, &conn->received);
    if (!answered && !inject_spares(conn) && (conn_state(conn) == CONN_WAITING || conn_state(conn) == CONN_CONNECTING))
        observe_slow(conn, now_ns);
}

void exchange_over(struct conn *conn, int error, uint64_t now_ns)
{
    bool reused = atomic_load(&conn->exchanges) > 1;
    uint64_t age_ns = now_ns - atomic_load(&conn->started_ns);
    atomic_store_explicit(&conn->error, error, memory_order_relaxed);
    exchange_refused(conn, classify_exchange(error, reused, age_ns), now_ns);
}

void exchange_refused(struct conn *conn, enum observation seen, uint64_t now_ns)
{
    if (!leave_waiting(conn, CONN_ENDED))
        return;
    timer_stop(conn);
    observe(conn, seen, now_ns);
}

/* The connection is over, for an errno (0: end of file). */
static void finish(struct conn *conn, int error)
{
    uint64_t now_ns = clock_now_ns();
    if (atomic_load(&conn->own_shutdown) && leave_waiting(conn, CONN_ENDED)) {
        observe(conn, OBSERVATION_ABANDONED, now_ns); /* the application did it itself */
    } else if (conn_state(conn) == CONN_WAITING) {
        exchange_over(conn, error, now_ns);
    } else if (conn_move(conn, CONN_FRESH, CONN_ENDED)) {
        /* Nothing was asked: an idle connection closed by its server says nothing. */
        observe(conn, OBSERVATION_ABANDONED, now_ns);
    } else {
        judge_settle(conn, now_ns);
        conn_move(conn, CONN_ANSWERING, CONN_ENDED);
    }
    timer_stop(conn);
}

void exchange_end(struct conn *conn)
{
    finish(conn, 0);
}

void exchange_failed(struct conn *conn, int error)
{
    if (error == EAGAIN || error == EINTR || error == EFAULT || error == EINVAL || error == EMSGSIZE ||
        error == ENOTCONN || error == ENOBUFS || error == ENOMEM || error == EOPNOTSUPP || error == EINPROGRESS ||
        error == EBADF || error == ESPIPE || error == EISCONN || error == ENOSYS)
        return; /* says nothing of the connection */
    if (conn_state(conn) == CONN_CONNECTING)
        track_connect_failed(conn, error, clock_now_ns());
    else
        finish(conn, error);
}
