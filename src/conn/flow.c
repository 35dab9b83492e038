/* SPDX-License-Identifier: MIT
 * Faults of bytes. */
#include "conn/flow.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "conn/deadline.h"
#include "conn/exchange.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/park.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "real/raw.h"
#include "real/real.h"

#define NEVER_NS (UINT64_MAX / 2)
#define LOOK_NS  50000000ull  /* a wait looks around so often: the connection may have been closed meanwhile */
#define SLACK_NS 250000000ull /* a transfer makes up for wakes that came late, up to this */

/* What a peer that does not answer lets its kernel take, about. */
#define SWALLOWED_BYTES 262144

static const uint32_t call_of[FLOW_WAYS] = {[FLOW_IN] = FAULT_AT_READ, [FLOW_OUT] = FAULT_AT_WRITE};

/* The next fault of that direction, from *index on; NULL at the end. */
static const struct fault *next_fault(const struct conn *conn, enum flow_way way, uint32_t *index)
{
    while (*index < conn->faults->used) {
        const struct fault *fault = inject_fault(conn, (*index)++);
        if (fault && fault->call == call_of[way])
            return fault;
    }
    return NULL;
}

static void tell_once(struct conn *conn, uint32_t index)
{
    if (!(atomic_fetch_or(&conn->told, 1u << index) & 1u << index))
        inject_count(conn);
}

static bool has_input(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    const uint64_t at_once[2] = {0, 0};
    return raw_syscall(SYS_ppoll, (long)&one, 1, (long)at_once, 0, 0, 0) != 0;
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

/* A call that waits: until a time, or until the kernel has something to read. */
struct stay {
    struct conn *conn;
    int fd;
    enum flow_way way;
    uint32_t generation;
    uint64_t until_ns; /* NEVER_NS: for input */
    uint64_t app_end_ns;
};

static bool sleep_for(struct stay *stay, uint64_t now_ns, bool *ready)
{
    uint64_t end_ns = now_ns + LOOK_NS, next_ns = timer_next_ns(stay->conn);
    struct pollfd one = {.fd = stay->fd, .events = POLLIN};
    if (stay->until_ns < end_ns)
        end_ns = stay->until_ns;
    if (stay->app_end_ns < end_ns)
        end_ns = stay->app_end_ns;
    if (next_ns != 0 && next_ns < end_ns)
        end_ns = next_ns;
    uint64_t cut_ns = atomic_load(&stay->conn->cut_ns);
    if (cut_ns != 0 && cut_ns < end_ns)
        end_ns = cut_ns;
    int64_t rest_ns = end_ns > now_ns ? (int64_t)(end_ns - now_ns) : 0;
    struct timespec rest = {.tv_sec = (time_t)(rest_ns / NS_PER_S), .tv_nsec = (long)(rest_ns % NS_PER_S)};
    int result = real.ppoll(&one, ready != NULL, &rest, NULL);
    if (ready)
        *ready = result > 0;
    return result >= 0 || errno != EINTR || kernel_signals_restart();
}

/* Why the call must not go on: -1 with errno. 0: it may. */
static int stay_error(struct stay *stay, uint64_t now_ns)
{
    struct conn *conn = stay->conn;
    if (atomic_load(&conn->generation) != stay->generation)
        return EBADF;
    exchange_slow(conn, now_ns);
    track_expire(conn, now_ns);
    enum conn_state state = conn_state(conn);
    if (state == CONN_EXPIRED) {
        int error = track_report(conn);
        kernel_take_error(stay->fd);
        return error;
    }
    if (state == CONN_DEAD)
        return ECONNRESET;
    return now_ns >= stay->app_end_ns ? EAGAIN : 0;
}

/* ready: wait for input as well, and say whether it came. False: the call is over, with errno or at its end. */
static bool stay(struct conn *conn, int fd, enum flow_way way, uint64_t until_ns, bool *ready)
{
    struct stay stay = {conn, fd, way, atomic_load(&conn->generation), until_ns, UINT64_MAX};
    int64_t app_ns = way == FLOW_OUT                     ? kernel_get_timeout(fd, SO_SNDTIMEO)
                     : atomic_load(&conn->receive_known) ? atomic_load(&conn->app_receive_ns)
                                                         : kernel_get_timeout(fd, SO_RCVTIMEO);
    uint64_t now_ns = clock_now_ns();
    if (app_ns > 0)
        stay.app_end_ns = now_ns + (uint64_t)app_ns;
    for (; now_ns < until_ns && !(ready && *ready); now_ns = clock_now_ns()) {
        int error = stay_error(&stay, now_ns);
        if (!error && flow_is_over(conn, way))
            return false;
        if (!error && host_off())
            return true;
        if (!error && !sleep_for(&stay, now_ns, ready))
            error = EINTR;
        if (error) {
            errno = error;
            return false;
        }
    }
    return true;
}

/* A call that must not block comes back later; now and then, too, to find the kill switch. */
static bool come_back(struct conn *conn, int fd, uint64_t until_ns)
{
    uint64_t look_ns = clock_now_ns() + NS_PER_S;
    if (look_ns < until_ns)
        until_ns = look_ns;
    if (!park_begin(conn, fd, until_ns))
        return false;
    errno = EAGAIN;
    return true;
}

/* ---- before a call ------------------------------------------------------------------------------------------- */

static bool fails(struct conn *conn, int fd, enum flow_way way, bool blocking)
{
    uint32_t index = 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index)) {
        if (fault->kind != FAULT_ERROR || (way == FLOW_IN && !blocking && !has_input(fd)))
            continue;
        inject_count(conn);
        atomic_store(&conn->injected, 1);
        exchange_failed(conn, fault->error);
        errno = fault->error;
        return true;
    }
    return false;
}

/* Latencies of this exchange that have not begun yet; 0 when there is none. */
static uint64_t latency_ns(struct conn *conn, enum flow_way way, bool *any)
{
    uint32_t index = 0;
    uint64_t sum_ns = 0, exchange = atomic_load(&conn->exchanges) + (way == FLOW_OUT);
    *any = false;
    if (atomic_load(&conn->delayed) & call_of[way])
        return 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index)) {
        if (fault->kind != FAULT_LATENCY)
            continue;
        sum_ns += (uint64_t)fault_delay_ns(fault, conn->stream, index - 1, exchange);
        *any = true;
    }
    return sum_ns;
}

/* The latency of an answer begins when it arrives. False: the call is over. */
static bool begin_latency(struct conn *conn, int fd, enum flow_way way, bool blocking)
{
    bool any, ready = false;
    uint64_t delay_ns = latency_ns(conn, way, &any);
    if (!any || (way == FLOW_IN && !blocking && !has_input(fd)))
        return true;
    if (way == FLOW_IN && blocking && !stay(conn, fd, way, NEVER_NS, &ready))
        return false;
    if (atomic_fetch_or(&conn->delayed, call_of[way]) & call_of[way])
        return true;
    uint64_t until_ns = clock_now_ns() + delay_ns;
    inject_count(conn);
    if (until_ns > conn->flow[way].open_ns)
        conn->flow[way].open_ns = until_ns;
    inject_delayed(conn, until_ns);
    return true;
}

/* Until when nothing arrives at all; 0 when it does. */
static uint64_t held_until_ns(struct conn *conn, enum flow_way way)
{
    uint32_t index = 0;
    uint64_t until_ns = 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index)) {
        bool full = way == FLOW_OUT && conn->flow[way].moved < SWALLOWED_BYTES;
        if ((fault->kind != FAULT_BLACKHOLE || full) && fault->kind != FAULT_TIMEOUT)
            continue;
        uint64_t end_ns = fault->for_ns > 0 ? conn->chaos_began_ns + (uint64_t)fault->for_ns : NEVER_NS;
        until_ns = end_ns > until_ns ? end_ns : until_ns;
        tell_once(conn, index - 1);
    }
    if (until_ns)
        inject_delayed(conn, until_ns);
    return until_ns;
}

static bool wait_until_open(struct conn *conn, int fd, enum flow_way way, bool blocking)
{
    uint64_t held_ns = held_until_ns(conn, way), open_ns = conn->flow[way].open_ns;
    uint64_t until_ns = held_ns > open_ns ? held_ns : open_ns;
    bool ready = false;
    if (until_ns <= clock_now_ns()) /* the kernel's own wait would last beyond a cut */
        return way == FLOW_OUT || !blocking || atomic_load(&conn->cut_ns) == 0 || stay(conn, fd, way, NEVER_NS, &ready);
    if (blocking)
        return stay(conn, fd, way, until_ns, NULL);
    return (way == FLOW_IN && !has_input(fd)) || !come_back(conn, fd, until_ns);
}

static size_t smaller(size_t a, uint64_t b)
{
    return b < a ? (size_t)b : a;
}

/* How much may pass at once. */
static void bound(struct conn *conn, enum flow_way way, struct flow_pass *pass)
{
    struct flow *flow = &conn->flow[way];
    uint32_t index = 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index)) {
        if (fault->kind == FAULT_BANDWIDTH)
            pass->most = smaller(pass->most, fault_burst(fault));
        if (fault->kind == FAULT_SLICE && flow->left == 0)
            flow->left = fault_slice(fault, conn->stream, flow->piece);
        if (fault->kind == FAULT_SLICE)
            pass->most = smaller(pass->most, flow->left);
        if (fault->kind == FAULT_LIMIT)
            pass->most =
                smaller(pass->most, (uint64_t)fault->amount > flow->moved ? (uint64_t)fault->amount - flow->moved : 0);
        if (fault->kind != FAULT_BLACKHOLE || way != FLOW_OUT)
            continue;
        pass->swallowed = true;
        tell_once(conn, index - 1);
        inject_delayed(conn, NEVER_NS); /* nobody can answer */
    }
}

/* Nothing passes any more: the end of file, or the errors of a connection that the peer has closed, without a signal.
 */
static bool is_over(struct conn *conn, enum flow_way way, struct flow_pass *pass)
{
    if (!flow_is_over(conn, way))
        return false;
    pass->ended = way == FLOW_IN;
    if (way == FLOW_IN)
        exchange_end(conn);
    else
        errno = EPIPE;
    return true;
}

static void new_exchange(struct conn *conn)
{
    enum conn_state state = conn_state(conn);
    if (state == CONN_FRESH || state == CONN_ANSWERING)
        atomic_store(&conn->tainted, 0);
}

bool flow_begin(struct conn *conn, int fd, enum flow_way way, bool blocking, struct flow_pass *pass)
{
    int saved = errno;
    *pass = (struct flow_pass){.most = SIZE_MAX, .offset = conn->flow[way].moved};
    if (is_over(conn, way, pass))
        return false;
    if (host_off() || conn_state(conn) == CONN_CONNECTING || (!blocking && !park_is_possible(conn, fd)))
        return true;
    if (way == FLOW_OUT)
        new_exchange(conn);
    if (fails(conn, fd, way, blocking))
        return false;
    if (!begin_latency(conn, fd, way, blocking) || !wait_until_open(conn, fd, way, blocking)) {
        if (is_over(conn, way, pass) && pass->ended)
            errno = saved;
        return false;
    }
    bound(conn, way, pass);
    errno = saved;
    if (pass->most > 0)
        return true;
    inject_count(conn); /* limit=0B */
    flow_cut(conn, fd);
    return !is_over(conn, way, pass);
}

/* ---- after a call -------------------------------------------------------------------------------------------- */

static void open_at(struct flow *flow, uint64_t at_ns)
{
    if (at_ns > flow->open_ns)
        flow->open_ns = at_ns;
}

static void charge(struct conn *conn, struct flow *flow, const struct fault *fault, uint32_t index, size_t bytes,
                   uint64_t now_ns)
{
    uint64_t from_ns = flow->open_ns;
    if (fault->kind == FAULT_BANDWIDTH) {
        flow->open_ns = (from_ns + SLACK_NS < now_ns ? now_ns : from_ns) + fault_cost_ns(fault, bytes);
        tell_once(conn, index);
    }
    if (fault->kind != FAULT_SLICE || flow->left == 0)
        return;
    flow->left = bytes < flow->left ? flow->left - bytes : 0;
    tell_once(conn, index);
    if (flow->left > 0)
        return;
    flow->piece++;
    open_at(flow, now_ns + (uint64_t)fault->delay_ns);
}

static bool limit_is_reached(const struct flow *flow, const struct fault *fault)
{
    return fault->kind == FAULT_LIMIT && flow->moved >= (uint64_t)fault->amount;
}

static void close_half(struct conn *conn, int fd, enum flow_way way)
{
    atomic_store(&conn->flow[way].over, 1);
    if (way == FLOW_IN)
        atomic_store(&conn->injected, 1);
    raw_shutdown(fd, way == FLOW_IN ? SHUT_RD : SHUT_WR);
}

static void reset(struct conn *conn, int fd, const struct fault *fault)
{
    if (fault->delay_ns > 0)
        track_cut_at(conn, clock_now_ns() + (uint64_t)fault->delay_ns, true);
    else
        track_reset(conn, fd);
}

void flow_wrote(struct conn *conn, int fd)
{
    int saved = errno;
    for (uint32_t i = 0; i < conn->faults->used && !host_off(); i++) {
        const struct fault *fault = inject_fault(conn, i);
        bool once = fault && (fault->kind == FAULT_RESET || fault->kind == FAULT_HALF_CLOSE);
        if (once && !(atomic_fetch_or(&conn->told, 1u << i) & 1u << i)) {
            inject_count(conn);
            if (fault->kind == FAULT_HALF_CLOSE)
                close_half(conn, fd, fault->call == FAULT_AT_READ ? FLOW_IN : FLOW_OUT);
            else
                reset(conn, fd, fault);
        }
        if (fault && fault->call == FAULT_AT_WRITE && limit_is_reached(&conn->flow[FLOW_OUT], fault) &&
            !flow_is_over(conn, FLOW_OUT))
            flow_cut(conn, fd);
    }
    errno = saved;
}

void flow_passed(struct conn *conn, int fd, enum flow_way way, size_t bytes, bool blocking, bool more)
{
    struct flow *flow = &conn->flow[way];
    uint64_t now_ns = clock_now_ns();
    uint32_t index = 0;
    int saved = errno;
    bool cut = false, shaped = false;
    if (host_off())
        return;
    flow->moved += bytes;
    if (way == FLOW_IN)
        atomic_fetch_and(&conn->delayed, ~(uint32_t)FAULT_AT_WRITE); /* an answer: the next write begins an exchange */
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index)) {
        charge(conn, flow, fault, index - 1, bytes, now_ns);
        shaped |= fault->kind == FAULT_BANDWIDTH || fault->kind == FAULT_SLICE;
        if (!limit_is_reached(flow, fault))
            continue;
        tell_once(conn, index - 1);
        cut = way == FLOW_IN;
    }
    /* Who waits for the edge of a readiness believes that a short call has emptied, or filled, the kernel's buffer. */
    bool park = shaped && more && !blocking && conn_state(conn) != CONN_CONNECTING;
    if (park && (way == FLOW_OUT || has_input(fd)) && park_is_possible(conn, fd))
        park_begin(conn, fd, flow->open_ns > now_ns ? flow->open_ns : now_ns);
    if (cut)
        flow_cut(conn, fd);
    errno = saved;
}

bool flow_corrupts(const struct conn *conn, enum flow_way way)
{
    uint32_t index = 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index))
        if (fault->kind == FAULT_CORRUPT)
            return !host_off();
    return false;
}

void flow_corrupt(struct conn *conn, enum flow_way way, uint64_t offset, uint8_t *data, size_t bytes)
{
    uint32_t index = 0;
    for (const struct fault *fault = next_fault(conn, way, &index); fault; fault = next_fault(conn, way, &index))
        if (fault->kind == FAULT_CORRUPT && fault_corrupt(fault, conn->stream, offset, data, bytes) > 0)
            tell_once(conn, index - 1);
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

bool flow_end_seen(struct conn *conn, int fd, bool blocking)
{
    uint32_t index = 0;
    struct flow *flow = &conn->flow[FLOW_IN];
    uint64_t now_ns = clock_now_ns();
    if (host_off() || flow_is_over(conn, FLOW_IN) || (!blocking && !park_is_possible(conn, fd)))
        return true;
    for (const struct fault *fault = next_fault(conn, FLOW_IN, &index); fault;
         fault = next_fault(conn, FLOW_IN, &index)) {
        if (fault->kind != FAULT_SLOW_CLOSE || atomic_fetch_or(&conn->told, 1u << (index - 1)) & 1u << (index - 1))
            continue;
        inject_count(conn);
        open_at(flow, now_ns + (uint64_t)fault->delay_ns);
        inject_delayed(conn, flow->open_ns);
    }
    if (flow->open_ns <= now_ns)
        return true;
    return !blocking && !come_back(conn, fd, flow->open_ns);
}

void flow_connected(struct conn *conn, uint64_t now_ns)
{
    uint32_t index = 0;
    atomic_store(&conn->withheld_ns, 0);
    if (host_off())
        return;
    held_until_ns(conn, FLOW_IN);
    for (const struct fault *fault = next_fault(conn, FLOW_IN, &index); fault;
         fault = next_fault(conn, FLOW_IN, &index))
        if (fault->kind == FAULT_TIMEOUT && fault->delay_ns > 0)
            track_cut_at(conn, now_ns + (uint64_t)fault->delay_ns, false);
}

void flow_cut(struct conn *conn, int fd)
{
    atomic_store(&conn->cut_ns, 0);
    atomic_store(&conn->flow[FLOW_IN].over, 1);
    atomic_store(&conn->flow[FLOW_OUT].over, 1);
    atomic_store(&conn->withheld_ns, 0);
    atomic_store(&conn->injected, 1);
    park_end(conn);
    kernel_cancel(fd); /* wakes whoever waits */
    exchange_end(conn);
}
