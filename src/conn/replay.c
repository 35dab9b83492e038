/* SPDX-License-Identifier: MIT
 * Keeping requests, and sending them again. */
#include "conn/replay.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "conn/block.h"
#include "conn/coverage.h"
#include "conn/exchange.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/judge.h"
#include "conn/kernel.h"
#include "conn/observe.h"
#include "conn/record.h"
#include "conn/retry.h"
#include "conn/track.h"
#include "policy/classify.h"
#include "policy/replay.h"
#include "real/raw.h"

#define LOST UINT32_MAX /* conn->replay_used: something was not kept, or the connection has a state of its own */

void replay_start(struct conn *conn, const struct attempt *attempt)
{
    const struct conf *conf = conn->conf;
    if (!conf->retry_replay || conf->retry_attempts < 2 || conf->mode != MODE_ENFORCE || !attempt->blocking ||
        (host.disabled & DISABLE_RETRY))
        return;
    conn->call = *attempt;
    conn->call.copy = copies_share(attempt->copy);
    memset(conn->call.held, 0, sizeof conn->call.held);
    conn->call.next_target = attempt->destination->fallbacks + 1; /* to where the connection is, and nowhere else */
    conn->call.end_ns = 0;                                        /* timeout.total was the connect's */
    conn->call.steered = false; /* to the same endpoint: its slot is held, so it is a repetition with a back-off */
    atomic_fetch_or(&conn->curious, CURIOUS_REPLAY);
}

void replay_end(struct conn *conn)
{
    if (conn->replay)
        raw_munmap(conn->replay, REPLAY_BYTES);
    conn->replay = NULL;
}

/* The first write of an exchange: what came before it is answered. */
static void begin_request(struct conn *conn)
{
    bool bound = conn->replay_used == LOST || (conn->replay_used && replay_binds(conn->replay, conn->replay_used));
    conn->replay_used = bound ? LOST : 0;
    conn->call.retries = 0;
    conn->call.delay_ns = 0;
    if (!bound)
        retry_count_call(&conn->call);
}

void replay_keep(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes)
{
    enum conn_state state = conn_state(conn);
    if (state == CONN_FRESH || state == CONN_ANSWERING)
        begin_request(conn);
    if (!conn->replay)
        conn->replay = raw_mmap(NULL, REPLAY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!iov || !conn->replay || conn->replay_used == LOST || bytes > REPLAY_BYTES - conn->replay_used) {
        conn->replay_used = LOST;
        return;
    }
    for (size_t i = 0; i < count && bytes > 0; i++) {
        size_t take = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;
        memcpy(conn->replay + conn->replay_used, iov[i].iov_base, take);
        conn->replay_used += (uint32_t)take;
        bytes -= take;
    }
}

static bool is_kept(const struct conn *conn)
{
    return conn->replay && conn->replay_used && !conn->inherited && conn->replay_used != LOST && !host_off() &&
           replay_allowed(conn->replay, conn->replay_used);
}

static bool send_again(const struct conn *conn, int fd)
{
    for (uint32_t sent = 0; sent < conn->replay_used;) {
        long result = raw_syscall(SYS_sendto, fd, (long)(conn->replay + sent), (long)(conn->replay_used - sent),
                                  MSG_NOSIGNAL, 0, 0);
        if (result <= 0 && result != -EINTR)
            return false;
        sent += result > 0 ? (uint32_t)result : 0;
    }
    return true;
}

/* Another connection on the same descriptor, with the request on its way. False: that failed as well, and errno says
 * how. The record is in state CONNECTING when it begins and ENDED when it failed. */
static bool connect_and_send(struct conn *conn, int fd)
{
    struct attempt *call = &conn->call;
    uint64_t begun_ns;
    struct kernel_bytes bytes; /* the kernel counts anew on the next connection, and so do we */
    coverage_closed(conn, fd, &bytes);
    atomic_store(&conn->seen_out, 0);
    atomic_store(&conn->seen_in, 0);
    kernel_disconnect(fd);
    judge_start(conn);
    atomic_store(&conn->received, 0);
    atomic_store(&conn->exchanges, 0);
    if (block_connect(conn, fd, (const struct sockaddr *)&call->addr, call->length, record_limit_ns(conn)) != 0) {
        int error = errno;
        track_connect_failed(conn, error, clock_now_ns());
        errno = error;
        return false;
    }
    track_connected(conn, clock_now_ns());
    begun_ns = clock_now_ns();
    if (!send_again(conn, fd)) {
        exchange_failed(conn, ECONNRESET);
        errno = ECONNRESET;
        return false;
    }
    exchange_wrote(conn, conn->replay_used, begun_ns);
    return true;
}

static bool ask_again(struct conn *conn, uint64_t wait_ns)
{
    struct attempt *call = &conn->call;
    inject_sleep((int64_t)wait_ns);
    call->now_ns = clock_now_ns();
    enum verdict verdict = admit_breaker(call);
    if (verdict != VERDICT_ADMIT) {
        admit_announce(conn->endpoint, verdict, 0, call->now_ns);
        return false;
    }
    retry_count(call);
    conn->admission = call->admission;
    call->admission.lease = 0;
    atomic_store(&conn->started_ns, call->now_ns);
    atomic_store(&conn->admission_open, 1);
    seg_count(observe_row(conn), COUNTER_attempts, 1);
    seg_count(observe_row(conn), COUNTER_replays, 1);
    return true;
}

/* The request's attempts, until one is under way. The slots stay ours: it is one connection to the application. */
static bool again(struct conn *conn, int fd, uint64_t wait_ns)
{
    int saved = errno;
    bool sent = false;
    conn_move(conn, CONN_ENDED, CONN_CONNECTING);
    conn->outer |= OUTER_SLOTS;
    conn->end_ns = 0;
    while (ask_again(conn, wait_ns)) {
        sent = connect_and_send(conn, fd);
        if (sent || !retry_next(&conn->call, errno, &wait_ns))
            break;
        conn_move(conn, CONN_ENDED, CONN_CONNECTING);
    }
    conn->outer = 0;
    conn_move(conn, CONN_CONNECTING, CONN_ENDED);
    errno = saved;
    return sent;
}

/* No further attempt came through: the application hears of the timeout after all. */
static bool still_expired(struct conn *conn)
{
    atomic_store(&conn->error, ETIMEDOUT);
    conn_move(conn, CONN_ENDED, CONN_EXPIRED);
    return false;
}

bool replay_after_failure(struct conn *conn, int fd, int error)
{
    uint64_t wait_ns, now_ns = clock_now_ns();
    enum conn_state state = conn_state(conn);
    bool ours = state == CONN_EXPIRED && atomic_load(&conn->error) == ETIMEDOUT;
    int reason = ours ? ETIMEDOUT : error == 0 || error == EPIPE ? ECONNRESET : error;
    if ((!ours && state != CONN_WAITING) || atomic_load(&conn->own_shutdown) || !is_kept(conn) ||
        !retry_next(&conn->call, reason, &wait_ns))
        return false;
    if (ours)
        return conn_move(conn, CONN_EXPIRED, CONN_ENDED) && (again(conn, fd, wait_ns) || still_expired(conn));
    exchange_over(conn, error, now_ns);
    return again(conn, fd, wait_ns);
}

bool replay_after_answer(struct conn *conn, int fd, const void *bytes, size_t length)
{
    const struct conf *conf = conn->conf;
    uint64_t wait_ns;
    int status = replay_status(bytes, length);
    bool server = (conf->retry_on & (RETRY_ON_HTTP_5XX | RETRY_ON_HTTP_BOTH)) && status >= 500 && status <= 599;
    bool overload = (conf->retry_on & (RETRY_ON_HTTP_429 | RETRY_ON_HTTP_BOTH)) && status == 429;
    if ((!server && !overload) || conn_state(conn) != CONN_WAITING || !is_kept(conn) ||
        !retry_may(&conn->call, &wait_ns))
        return false;
    atomic_fetch_add(&conn->seen_in, length); /* and not the application's */
    exchange_refused(conn, overload ? OBSERVATION_OVERLOAD : OBSERVATION_PROTOCOL_ERROR, clock_now_ns());
    return again(conn, fd, wait_ns);
}
