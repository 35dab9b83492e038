/* SPDX-License-Identifier: MIT
 * Kernel-side timeouts of blocking calls. */
#include "conn/block.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/deadline.h"
#include "conn/exchange.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/observe.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/timeout.h"
#include "real/raw.h"
#include "real/real.h"

/* A receive that begins this much later than its exchange is bounded by what is left, at the cost of two system
 * calls; a smaller difference is not worth them. */
#define TOLERANCE_NS 20000000

/* A connect that was under way when everything was switched off asks again so late whether it still is. */
#define OFF_NS 1000000000ull

_Atomic uint32_t block_used;
static _Atomic uint32_t low_water_used; /* any thread: 0 -> 1 */

static int64_t shorter(int64_t a_ns, int64_t b_ns)
{
    if (a_ns <= 0 || b_ns <= 0)
        return a_ns > 0 ? a_ns : b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

/* The time is up: the socket leaves SYN_SENT, so that nothing of this attempt can happen later. */
int block_expire(struct conn *conn, int fd)
{
    atomic_store(&conn->error, ETIMEDOUT);
    if (conn_move(conn, CONN_CONNECTING, CONN_ENDED))
        observe(conn, OBSERVATION_CONNECT_TIMEOUT, clock_now_ns());
    kernel_disconnect(fd);
    errno = ETIMEDOUT;
    return -1;
}

/* One try with the rest of the time. *again: an interrupted or resumed connect goes on. */
static int try_connect(struct conn *conn, int fd, const struct sockaddr *addr, socklen_t length, int64_t rest_ns,
                       int64_t app_ns)
{
    atomic_store(&conn->app_send_ns, app_ns);
    atomic_store(&conn->send_limited, 1);
    kernel_set_timeout(fd, SO_SNDTIMEO, shorter(rest_ns, app_ns));
    int result = real.connect(fd, addr, length);
    int saved = errno;
    block_mend(conn, fd);
    errno = saved;
    return result;
}

void block_mend_now(struct conn *conn, int fd)
{
    if (atomic_exchange(&conn->send_limited, 0))
        kernel_set_timeout(fd, SO_SNDTIMEO, atomic_load(&conn->app_send_ns));
}

int block_connect(struct conn *conn, int fd, const struct sockaddr *addr, socklen_t length, int64_t limit_ns)
{
    uint64_t slow_ns = atomic_load(&conn->slow_at_ns);
    if (limit_ns <= 0 && slow_ns == 0)
        return real.connect(fd, addr, length);
    block_mend(conn, fd);
    int64_t app_ns = kernel_get_timeout(fd, SO_SNDTIMEO);
    uint64_t end_ns = limit_ns > 0 ? clock_now_ns() + (uint64_t)limit_ns : UINT64_MAX / 4;
    bool resumed = false; /* EISCONN then is the success of the call before */
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= end_ns && !host_off())
            return block_expire(conn, fd);
        if (now_ns >= end_ns)
            end_ns = now_ns + OFF_NS;
        bool looks = app_ns == 0 && slow_ns > now_ns && slow_ns < end_ns; /* once more, when it has become slow */
        int result = try_connect(conn, fd, addr, length, (int64_t)((looks ? slow_ns : end_ns) - now_ns), app_ns);
        if (result == 0 || (errno == EISCONN && resumed))
            return 0;
        resumed = true;
        bool waiting = errno == EINPROGRESS || errno == EALREADY || (errno == EAGAIN && conn->is_unix);
        if (errno == EINTR && app_ns == 0 && kernel_signals_restart())
            continue;
        if (!waiting || (app_ns > 0 && clock_now_ns() < end_ns))
            return -1; /* its own end, or the application's own timeout */
        if (looks)
            exchange_slow(conn, clock_now_ns());
    }
}

static int64_t wanted_limit(const struct conn *conn)
{
    /* A learned one moves, and the option would cut silences within an answer that stdio reads: each receive of ours
     * is bounded by its deadline (block_read_begin()), the option by the longest. */
    const struct conf *conf = conn->conf;
    int64_t response_ns = timeout_longest_ns(conf->timeout_response_ns);
    int64_t answer_ns = response_ns > 0 ? response_ns : conf->timeout_idle_ns;
    bool enforced = conn->conf->mode == MODE_ENFORCE && conn->conf->first_byte != FIRST_BYTE_NONE &&
                    !(host.disabled & DISABLE_TIMEOUT);
    return enforced ? shorter(shorter(answer_ns, conf->timeout_exchange_ns), conf->breaker_slow_time_ns) : 0;
}

static void set_limit(struct conn *conn, int fd, int64_t ns)
{
    kernel_set_timeout(fd, SO_RCVTIMEO, shorter(ns, atomic_load(&conn->app_receive_ns)));
}

void block_install(struct conn *conn, int fd)
{
    int64_t limit_ns = wanted_limit(conn);
    if (limit_ns <= 0 || atomic_load(&conn->receive_known))
        return;
    atomic_store(&conn->app_receive_ns, kernel_get_timeout(fd, SO_RCVTIMEO));
    atomic_store(&conn->receive_known, 1);
    atomic_store(&conn->receive_limit_ns, limit_ns);
    atomic_store(&block_used, 1);
    set_limit(conn, fd, limit_ns);
}

/* Where every process that holds the socket finds out. NULL for a connection without a slot. */
static _Atomic uint32_t *lent_flag(const struct conn *conn)
{
    const struct held *held = &conn->held[SLOT_CONNECTION];
    return held->segment && held->slot.entry < SEG_LEDGER ? &seg_entry(&host.segment, held->slot.entry)->lent : NULL;
}

void block_lend(struct conn *conn, int fd)
{
    _Atomic uint32_t *flag = lent_flag(conn);
    block_mend(conn, fd);
    if (atomic_exchange(&conn->receive_limit_ns, 0) <= 0)
        return;
    /* Before the option goes: whoever finds it gone finds out why. */
    bool first = !flag || atomic_exchange(flag, 1) != 1;
    kernel_set_timeout(fd, SO_RCVTIMEO, atomic_load(&conn->app_receive_ns));
    atomic_store(&conn->lent, first);
}

void block_take_back(struct conn *conn, int fd)
{
    _Atomic uint32_t *flag = lent_flag(conn);
    if (!atomic_exchange(&conn->lent, 0))
        return;
    if (flag)
        atomic_store(flag, 0);
    atomic_store(&conn->receive_limit_ns, wanted_limit(conn));
    set_limit(conn, fd, wanted_limit(conn));
}

/* Another process that shares the socket has lent it. */
static bool is_lent(const struct conn *conn)
{
    const _Atomic uint32_t *flag = lent_flag(conn);
    return flag && atomic_load_explicit(flag, memory_order_relaxed) == 1;
}

void block_mode(struct conn *conn, int fd, bool blocking)
{
    atomic_store(&conn->blocking, blocking);
    if (blocking)
        block_install(conn, fd);
}

void block_app_timeout(struct conn *conn, int fd)
{
    int64_t limit_ns = atomic_load(&conn->receive_limit_ns);
    if (!atomic_load(&conn->receive_known))
        return;
    atomic_store(&conn->app_receive_ns, kernel_get_timeout(fd, SO_RCVTIMEO));
    if (limit_ns > 0)
        set_limit(conn, fd, limit_ns);
}

void block_low_water(void)
{
    atomic_store_explicit(&low_water_used, 1, memory_order_relaxed);
}

static bool waits_for_several(int fd)
{
    int low = 1;
    unsigned length = sizeof low;
    return __builtin_expect(atomic_load_explicit(&low_water_used, memory_order_relaxed) != 0, 0) &&
           raw_getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &length) == 0 && low > 1;
}

void block_read_begin(struct conn *conn, int fd, bool dontwait, struct block_read *state)
{
    *state = (struct block_read){0};
    int64_t limit_ns = atomic_load_explicit(&conn->receive_limit_ns, memory_order_relaxed);
    if (limit_ns > 0 && __builtin_expect(is_lent(conn), 0)) {
        atomic_store(&conn->receive_limit_ns, 0);
        limit_ns = 0;
    }
    uint64_t deadline_ns = timer_next_ns(conn);
    state->bounded =
        (limit_ns > 0 || deadline_ns) && !dontwait && atomic_load_explicit(&conn->blocking, memory_order_relaxed);
    if (!state->bounded)
        return;
    state->start_ns = clock_now_ns();
    state->limit_ns = limit_ns;
    if (waits_for_several(fd)) {
        block_read_unbounded(conn, fd, state);
        return;
    }
    if (!deadline_ns)
        return;
    int64_t rest_ns = (int64_t)(deadline_ns - state->start_ns);
    if (rest_ns < 1)
        rest_ns = 1;
    if (limit_ns > 0 && rest_ns <= limit_ns && limit_ns - rest_ns < TOLERANCE_NS)
        return;
    set_limit(conn, fd, rest_ns);
    state->limit_ns = rest_ns;
    state->shortened = true;
}

void block_read_unbounded(struct conn *conn, int fd, struct block_read *state)
{
    if (!state->bounded || (atomic_load(&conn->receive_limit_ns) <= 0 && !state->shortened))
        return;
    set_limit(conn, fd, 0);
    state->bounded = false;
    state->shortened = true;
}

bool block_cut_short(const struct block_read *state)
{
    enum { TICK_NS = 4000000 }; /* the kernel counts the option in ticks */
    return state->bounded && state->limit_ns > 0 &&
           clock_now_ns() - state->start_ns + TICK_NS >= (uint64_t)state->limit_ns;
}

/* EAGAIN: was it our option, or is the socket not blocking after all, or the application's own timeout? */
static bool our_expiry(struct conn *conn, int fd, const struct block_read *state, uint64_t now_ns)
{
    int64_t app_ns = atomic_load(&conn->app_receive_ns);
    if (app_ns > 0 && now_ns - state->start_ns >= (uint64_t)app_ns)
        return false;
    if (!kernel_nonblocking(fd))
        return true;
    atomic_store(&conn->blocking, 0);
    return false;
}

bool block_read_again(struct conn *conn, int fd, int error, struct block_read *state)
{
    if (!state->bounded)
        return false;
    if (error == EINTR)
        return atomic_load(&conn->app_receive_ns) == 0 && kernel_signals_restart();
    uint64_t now_ns = clock_now_ns();
    if (error != EAGAIN || !our_expiry(conn, fd, state, now_ns))
        return false;
    exchange_slow(conn, now_ns);
    if (track_expire(conn, now_ns))
        return false;
    uint64_t deadline_ns = timer_next_ns(conn);
    int64_t rest_ns = deadline_ns ? (int64_t)(deadline_ns - now_ns) : atomic_load(&conn->receive_limit_ns);
    int64_t app_ns = atomic_load(&conn->app_receive_ns);
    int64_t app_rest_ns = app_ns > 0 ? app_ns - (int64_t)(now_ns - state->start_ns) : 0;
    if (app_rest_ns > 0 && (rest_ns <= 0 || app_rest_ns < rest_ns))
        rest_ns = app_rest_ns; /* the application's own timeout runs from the beginning of its call */
    set_limit(conn, fd, rest_ns > 0 ? rest_ns : 1);
    state->shortened = true;
    return true;
}

void block_read_end(struct conn *conn, int fd, const struct block_read *state)
{
    if (!state->shortened)
        return;
    int64_t limit_ns = atomic_load(&conn->receive_limit_ns);
    kernel_set_timeout(fd, SO_RCVTIMEO, shorter(limit_ns, atomic_load(&conn->app_receive_ns)));
}
