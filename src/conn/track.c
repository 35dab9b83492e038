/* SPDX-License-Identifier: MIT
 * The life of connections: connect, expiry, close. */
#include "conn/track.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "conn/block.h"
#include "conn/coverage.h"
#include "conn/deadline.h"
#include "conn/exchange.h"
#include "conn/flow.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/judge.h"
#include "conn/kernel.h"
#include "conn/observe.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/replay.h"
#include "conn/steer.h"
#include "conn/sample.h"
#include "conn/timer.h"
#include "policy/classify.h"
#include "real/raw.h"
#include "segment/hist.h"
#include "segment/registry.h"

/* timeout.write is the kernel's own TCP_USER_TIMEOUT; one that the application set stands. Only once connected: in
 * SYN_SENT it would bound the connect as well. */
static void limit_writes(struct conn *conn)
{
    int64_t write_ns = conn->conf->timeout_write_ns;
    if (write_ns > 0 && !conn->is_unix && conn->conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_TIMEOUT))
        conn->write_limited = kernel_limit_writes(atomic_load(&conn->fd), write_ns);
}

void track_connected(struct conn *conn, uint64_t now_ns)
{
    if (!conn_move(conn, CONN_CONNECTING, CONN_FRESH))
        return;
    timer_stop(conn);
    conn->outer = 0;
    pending_end(conn, true);
    block_mend(conn, atomic_load(&conn->fd));
    limit_writes(conn);
    if (__builtin_expect(conn->struck != 0, 0))
        flow_connected(conn, now_ns);
    observe_count(conn, OBSERVATION_CONNECTED);
    uint64_t latency_ns = now_ns - atomic_load(&conn->started_ns);
    hist_add(&observe_row(conn)->connect, latency_ns);
    steer_learn(conn, latency_ns, now_ns);
    sample_take(conn, OBSERVATION_CONNECTED, now_ns);
    /* Otherwise the first exchange decides, or the close of a connection that never had one. */
    if (conn->conf->breaker_success_on == SUCCESS_ON_CONNECT || conn->conf->first_byte == FIRST_BYTE_NONE)
        observe_tell(conn, conn->relayed ? OUTCOME_IGNORED : OUTCOME_SUCCESS, now_ns);
}

void track_cancelled(struct conn *conn)
{
    if (!conn_move(conn, CONN_CONNECTING, CONN_ENDED))
        return;
    timer_stop(conn);
    pending_forget(conn);
    observe(conn, OBSERVATION_CANCELLED, clock_now_ns());
    slots_release_all(conn->held);
}

void track_connect_failed(struct conn *conn, int error, uint64_t now_ns)
{
    if (!conn_move(conn, CONN_CONNECTING, CONN_ENDED))
        return;
    timer_stop(conn);
    pending_end(conn, false);
    atomic_store_explicit(&conn->error, error, memory_order_relaxed);
    observe(conn, classify_connect(error, conn->is_unix), now_ns);
    if (!(conn->outer & OUTER_SLOTS))
        slots_release_all(conn->held);
}

bool track_settle(struct conn *conn, int fd)
{
    if (conn_state(conn) != CONN_CONNECTING)
        return conn_state(conn) != CONN_ENDED;
    switch (kernel_connection(fd)) {
    case KERNEL_CONNECTING:
        return false;
    case KERNEL_CONNECTED:
        track_connected(conn, clock_now_ns());
        return true;
    case KERNEL_CLOSED:
        return false; /* the call that collects the error reports it */
    }
    return false;
}

static enum observation timeout_of(const struct conn *conn, enum conn_state state, uint64_t now_ns)
{
    return state == CONN_CONNECTING               ? OBSERVATION_CONNECT_TIMEOUT
           : timer_exchange_is_over(conn, now_ns) ? OBSERVATION_EXCHANGE_TIMEOUT
           : state == CONN_WAITING                ? OBSERVATION_RESPONSE_TIMEOUT
                                                  : OBSERVATION_IDLE_TIMEOUT;
}

/* The answer may lie in the socket's buffer while the application is busy elsewhere, a child or stdio may have read it,
 * or the request may still be on its way: then the backend is not late. */
static bool not_late(struct conn *conn, enum conn_state state, int fd, uint64_t now_ns)
{
    if (inject_withholds(conn, now_ns))
        return false;
    if (state == CONN_CONNECTING) {
        if (pending_holds(conn) || kernel_connection(fd) == KERNEL_CONNECTING)
            return false;
        timer_stop(conn); /* the application has only not looked yet */
        return true;
    }
    if (state == CONN_WAITING && kernel_has_bytes(fd)) {
        exchange_arrived(conn, now_ns);
        return true;
    }
    if (state == CONN_WAITING && kernel_received(fd, &conn->received)) {
        exchange_answered(conn, now_ns);
        return true;
    }
    if (state == CONN_WAITING && exchange_is_sent(conn, fd)) {
        timer_start(conn, now_ns, timer_response_ns(conn));
        return true;
    }
    if (state == CONN_ANSWERING && kernel_received(fd, &conn->received)) {
        timer_start(conn, now_ns, conn->conf->timeout_idle_ns);
        return true;
    }
    return false;
}

/* Wakes whoever waits for the connection, in any thread, and makes a late answer impossible to read. */
static void poison(struct conn *conn, enum conn_state state, int fd, uint64_t now_ns, bool reset)
{
    if (state == CONN_CONNECTING && pending_is_busy(conn))
        return;
    if (reset || inject_withholds(conn, now_ns))
        atomic_store(&conn->injected, 1);
    pending_let_go(conn);
    bool in_time = conn->end_ns == 0 || now_ns < conn->end_ns;
    if (state == CONN_CONNECTING && !reset &&
        (in_time ? pending_retry(conn, fd, ETIMEDOUT, OBSERVATION_CONNECT_TIMEOUT) : pending_overdue(conn, fd)))
        return;
    if (state == CONN_CONNECTING)
        pending_end(conn, false);
    struct held slot = conn->held[SLOT_EXCHANGE];
    enum observation timeout = timeout_of(conn, state, now_ns);
    atomic_store(&conn->error, reset ? ECONNRESET : ETIMEDOUT);
    if (!conn_move(conn, state, CONN_EXPIRED))
        return;
    slots_release(&slot);
    timer_stop(conn);
    park_end(conn);
    judge_settle(conn, now_ns);
    observe(conn, reset ? OBSERVATION_RESET : timeout, now_ns);
    if (reset)
        kernel_reset(fd);
    else
        kernel_cancel(fd);
}

void track_reset(struct conn *conn, int fd)
{
    enum conn_state state = conn_state(conn);
    atomic_store(&conn->cut_ns, 0);
    if (state >= CONN_CONNECTING && state <= CONN_ANSWERING)
        poison(conn, state, fd, clock_now_ns(), true);
}

void track_cut_at(struct conn *conn, uint64_t at_ns, bool by_reset)
{
    atomic_store(&conn->cut_is_reset, by_reset);
    atomic_store(&conn->cut_ns, at_ns);
    deadline_lower(at_ns);
}

bool track_expire(struct conn *conn, uint64_t now_ns)
{
    enum conn_state state = conn_state(conn);
    uint64_t deadline_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
    uint64_t cut_ns = atomic_load_explicit(&conn->cut_ns, memory_order_relaxed);
    int fd = atomic_load_explicit(&conn->fd, memory_order_relaxed);
    bool cut = cut_ns != 0 && now_ns >= cut_ns;
    if ((!cut && (deadline_ns == 0 || now_ns < deadline_ns)) || state < CONN_CONNECTING || state > CONN_ANSWERING)
        return false;
    if (host_off()) {
        timer_stop(
            conn); /* whose time came while nothing was to happen is not judged afterwards, nor asked after again */
        return false;
    }
    if (kernel_cookie(fd) != conn->cookie) {
        timer_stop(conn); /* closed behind our back: the number is somebody else's now */
        return false;
    }
    if (!cut && !timer_exchange_is_over(conn, now_ns) && not_late(conn, state, fd, now_ns))
        return false;
    if (cut && !atomic_load(&conn->cut_is_reset))
        flow_cut(conn, fd);
    else
        poison(conn, state, fd, now_ns, cut);
    return true;
}

int track_report(struct conn *conn)
{
    if (conn_move(conn, CONN_EXPIRED, CONN_DEAD))
        return atomic_load_explicit(&conn->error, memory_order_relaxed);
    return conn_state(conn) == CONN_DEAD ? ECONNRESET : 0;
}

static bool is_over(const struct conn *conn, uint64_t now_ns)
{
    uint64_t deadline_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
    return deadline_ns != 0 && now_ns >= deadline_ns;
}

/* The policy's time was over, and only the kernel's option told the application (stdio), or it looked too late. */
static enum observation given_up(const struct conn *conn, uint64_t age_ns, uint64_t now_ns)
{
    if (is_over(conn, now_ns))
        return timeout_of(conn, CONN_WAITING, now_ns);
    return classify_abandoned(conn->conf, timer_response_ns(conn), age_ns);
}

/* What the application left undone. */
static void abandon(struct conn *conn, uint64_t now_ns)
{
    uint64_t age_ns = now_ns - atomic_load(&conn->started_ns);
    switch (conn_state(conn)) {
    case CONN_CONNECTING:
        observe(conn, OBSERVATION_CANCELLED, now_ns);
        break;
    case CONN_FRESH:
        /* Connecting was all that was wanted. A relay connects whatever the far side does. */
        observe_tell(conn, conn->relayed ? OUTCOME_IGNORED : OUTCOME_SUCCESS, now_ns);
        break;
    case CONN_WAITING:
        observe(conn, given_up(conn, age_ns, now_ns), now_ns);
        break;
    case CONN_ANSWERING:
        judge_settle(conn, now_ns);
        break;
    case CONN_FREE:
    case CONN_ENDED:
    case CONN_EXPIRED:
    case CONN_DEAD:
        break;
    }
}

/* The connection's last words to the breaker. */
static void judge(struct conn *conn)
{
    struct gate gate = observe_gate(conn);
    pending_forget(conn);
    abandon(conn, clock_now_ns());
    if (atomic_exchange(&conn->admission_open, 0))
        gate_give_back(&gate, &conn->admission);
}

static void give_back(struct conn *conn)
{
    slots_release_all(conn->held);
    replay_end(conn);
    conn_recycle(conn);
}

void track_release(struct conn *conn)
{
    if (!conn_unref(conn))
        return;
    judge(conn);
    give_back(conn);
}

/* The last descriptor goes, and nobody looked at what became of the connect, or at the answer. The kernel's error is
 * left where it is: another process may share the socket. */
static void settle_unseen(struct conn *conn, int fd)
{
    uint64_t now_ns = clock_now_ns();
    if (kernel_cookie(fd) != conn->cookie)
        return;
    if (conn_state(conn) == CONN_WAITING) {
        if (kernel_received(fd, &conn->received))
            exchange_answered(conn, now_ns);
        else if (is_over(conn, now_ns) && exchange_is_sent(conn, fd))
            timer_stop(conn);
        return;
    }
    enum kernel_state state = kernel_connection(fd);
    if (state == KERNEL_CONNECTED)
        track_connected(conn, now_ns);
    else if (state == KERNEL_CLOSED && !atomic_load(&conn->own_shutdown))
        track_connect_failed(conn, ECONNREFUSED, now_ns);
}

static _Atomic uint32_t closing_now; /* records between track_close() and track_closed() */

static bool end_closing(struct closing closing)
{
    if (!atomic_compare_exchange_strong(&closing.conn->closing, &closing.generation, 0))
        return false; /* somebody else did */
    atomic_fetch_sub(&closing_now, 1);
    give_back(closing.conn);
    return true;
}

void track_closed(struct closing closing)
{
    if (closing.conn)
        end_closing(closing);
}

/* Not a look at a socket that another thread is closing: for that moment we would hold it open, beyond its close. */
static bool left_behind(struct conn *conn, uint64_t now_ns)
{
    enum { LONG_NS = 1000000000 };
    return atomic_load(&conn->closer) == (uint32_t)raw_gettid() || now_ns - atomic_load(&conn->started_ns) > LONG_NS;
}

bool track_sweep(void)
{
    bool any = false;
    uint32_t index = 0;
    if (atomic_load(&closing_now) == 0)
        return false;
    uint64_t now_ns = clock_now_ns();
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index)) {
        const struct closing closing = {conn, atomic_load(&conn->closing)};
        /* The socket still stands there as long as its close has not been carried out. */
        if (closing.generation != 0 && left_behind(conn, now_ns) &&
            kernel_cookie(atomic_load(&conn->fd)) != conn->cookie)
            any |= end_closing(closing);
    }
    return any;
}

static struct closing begin_closing(struct conn *conn, int fd)
{
    const struct closing closing = {conn, atomic_load(&conn->generation)}; /* odd while in use, never 0 */
    judge(conn);
    conn_move(conn, conn_state(conn), CONN_ENDED);
    timer_stop(conn);
    park_drop(conn);
    atomic_store(&conn->fd, fd);
    atomic_store(&conn->started_ns, clock_now_ns());
    atomic_fetch_add(&closing_now, 1);
    atomic_store(&conn->closing, closing.generation);
    return closing;
}

struct closing track_close(int fd)
{
    const struct closing nothing = {NULL, 0};
    struct conn *conn = conn_of(fd);
    if (!conn)
        return nothing;
    enum conn_state state = conn_state(conn);
    bool last = atomic_load(&conn->refs) == 1;
    if (last && !conn->inherited && !pending_holds(conn) && (state == CONN_CONNECTING || state == CONN_WAITING))
        settle_unseen(conn, fd);
    struct kernel_bytes bytes;
    if (last && conn_state(conn) >= CONN_FRESH && coverage_closed(conn, fd, &bytes))
        exchange_unseen(conn, &bytes, clock_now_ns());
    conn = conn_take(fd);
    if (!conn)
        return nothing;
    if (!last && atomic_load(&conn->fd) == fd)
        atomic_store(&conn->fd, conn_find_fd(conn));
    return conn_unref(conn) ? begin_closing(conn, fd) : nothing;
}

/* Reads inside libc ended by the kernel's option, and nobody closes the socket. */
static void ended_unseen(struct conn *conn, uint64_t now_ns)
{
    struct kernel_bytes bytes;
    int fd = atomic_load(&conn->fd);
    uint64_t limit_ns = (uint64_t)atomic_load(&conn->receive_limit_ns);
    enum conn_state state = conn_state(conn);
    if (conn->inherited || !atomic_load(&conn->blocking) || limit_ns == 0 ||
        (state != CONN_FRESH && state != CONN_WAITING) || now_ns - atomic_load(&conn->started_ns) < limit_ns)
        return;
    if (state == CONN_WAITING)
        settle_unseen(conn, fd);
    else if (kernel_cookie(fd) == conn->cookie && kernel_count(fd, &bytes) && bytes.out > 0)
        exchange_unseen(conn, &bytes, now_ns);
    if (conn_state(conn) == CONN_WAITING)
        abandon(conn, now_ns);
}

void track_exit(void)
{
    uint32_t index = 0;
    uint64_t now_ns = clock_now_ns();
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index))
        ended_unseen(conn, now_ns);
}

void track_close_range(unsigned first, unsigned last)
{
    for (int fd = conn_next_tracked(first, last); fd >= 0; fd = conn_next_tracked((unsigned)fd + 1, last)) {
        const struct closing closing = track_close(fd);
        if (closing.conn)
            atomic_store(&closing.conn->closer, (uint32_t)raw_gettid());
    }
}
