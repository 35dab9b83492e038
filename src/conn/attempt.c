/* SPDX-License-Identifier: MIT
 * The connect call: admission( timeout( chaos( connect ))). */
#include "conn/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/clock.h"
#include "conn/admit.h"
#include "conn/block.h"
#include "conn/deadline.h"
#include "conn/exchange.h"
#include "conn/fallback.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/lineage.h"
#include "conn/names.h"
#include "conn/pending.h"
#include "conn/record.h"
#include "conn/park.h"
#include "conn/retry.h"
#include "conn/steer.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/classify.h"
#include "real/raw.h"
#include "real/real.h"

/* The kernel refuses these in its own way. */
static bool readable_address(const struct sockaddr *addr, socklen_t length)
{
    return addr && length >= sizeof addr->sa_family && length <= sizeof(struct sockaddr_storage) &&
           kernel_readable(addr, length);
}

static bool is_tcp(int fd)
{
    enum { MPTCP = 262 }; /* IPPROTO_MPTCP: several TCP connections that are one */
    int protocol = 0;
    unsigned length = sizeof protocol;
    return raw_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == MPTCP);
}

static bool is_stream(int fd)
{
    int type = 0;
    unsigned length = sizeof type;
    return raw_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

/* The record of a connect that failed is not needed any more. attempt: the call that it belongs to, NULL when that one
 * returned long ago. */
static void drop(struct attempt *attempt, int fd, int error)
{
    struct conn *conn = conn_take(fd);
    if (conn && attempt)
        record_keep(conn, attempt);
    if (conn)
        track_release(conn);
    errno = error;
}

/* What the real connect answered, told to the record. attempt: as above. */
static int conclude(struct attempt *attempt, struct conn *conn, int fd, int result)
{
    int error = errno;
    bool waits = result != 0 && (error == EINPROGRESS || error == EALREADY || error == EINTR);
    if (result == 0 || (waits && !atomic_load(&conn->has_call)))
        conn->outer = 0; /* the connection's own from here on */
    if (result == 0) {
        track_connected(conn, clock_now_ns());
        return 0;
    }
    if (waits) {
        timer_start(conn, atomic_load(&conn->started_ns), record_limit_ns(conn));
        errno = error;
        return -1;
    }
    if (pending_retry(conn, fd, error, classify_connect(error, conn->is_unix))) {
        errno = attempt ? EINPROGRESS : EALREADY;
        return -1;
    }
    track_connect_failed(conn, error, clock_now_ns()); /* nothing when it was our own timeout */
    drop(attempt, fd, error);
    return -1;
}

/* TCP_FASTOPEN_CONNECT: connect() answers 0 and is made with the first write, so that nothing of it could be bounded or
 * judged. A connection that we are to bound is made at once. Costs nothing before a process first asks for it. */
static _Atomic uint32_t defers; /* any thread: 0 -> 1 */

void attempt_defers(void)
{
    atomic_store_explicit(&defers, 1, memory_order_relaxed);
}

static void undefer(const struct conn *conn, int fd)
{
    int on = 0;
    unsigned length = sizeof on;
    if (__builtin_expect(atomic_load_explicit(&defers, memory_order_relaxed) == 0, 1) ||
        conn->conf->mode != MODE_ENFORCE)
        return;
    raw_getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, &length);
    if (on) {
        on = 0;
        raw_setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    }
}

/* What chaos did, told to the record. */
static int fail(struct attempt *attempt, struct conn *conn, int error)
{
    atomic_store(&conn->injected, 1);
    errno = error;
    return conclude(attempt, conn, attempt->fd, -1);
}

/* The time is up while chaos withholds the connection. */
static int expire(struct attempt *attempt, struct conn *conn)
{
    atomic_store(&conn->injected, 1);
    block_expire(conn, attempt->fd);
    return conclude(attempt, conn, attempt->fd, -1);
}

static int64_t shorter(int64_t ns, int64_t limit_ns)
{
    return limit_ns > 0 && limit_ns < ns ? limit_ns : ns;
}

/* A connect that nobody answers. */
static int wait_in_vain(struct attempt *attempt, struct conn *conn, int64_t limit_ns)
{
    int64_t app_ns = kernel_get_timeout(attempt->fd, SO_SNDTIMEO);
    int64_t rest_ns = shorter(INJECT_PATIENCE_NS, limit_ns);
    bool whole = inject_pause(shorter(rest_ns, app_ns));
    if (whole && (app_ns <= 0 || app_ns >= rest_ns))
        return expire(attempt, conn);
    if (!pending_swallow(conn, attempt->fd))
        return expire(attempt, conn);
    errno = whole ? EINPROGRESS : EINTR;
    return -1;
}

static int connect_blocking(struct attempt *attempt, struct conn *conn, const struct inject_verdict *verdict)
{
    const struct sockaddr *addr = (const struct sockaddr *)&attempt->addr;
    int64_t limit_ns = record_limit_ns(conn);
    uint64_t end_ns = limit_ns > 0 ? atomic_load(&conn->started_ns) + (uint64_t)limit_ns : UINT64_MAX;
    if (verdict->swallowed)
        return wait_in_vain(attempt, conn, limit_ns);
    if (__builtin_expect(verdict->delay_ns > 0, 0))
        inject_sleep(shorter(verdict->delay_ns, limit_ns));
    if (limit_ns > 0 && verdict->delay_ns >= limit_ns)
        return expire(attempt, conn);
    block_install(conn, attempt->fd);
    int result =
        block_connect(conn, attempt->fd, addr, attempt->length, limit_ns > 0 ? limit_ns - verdict->delay_ns : limit_ns);
    if (result == 0 && verdict->late_ns > 0) {
        uint64_t now_ns = clock_now_ns();
        int64_t rest_ns = now_ns < end_ns ? (int64_t)(end_ns - now_ns) : 1;
        inject_sleep(shorter(verdict->late_ns, limit_ns > 0 ? rest_ns : 0));
        if (limit_ns > 0 && verdict->late_ns >= rest_ns)
            return expire(attempt, conn);
    }
    return conclude(attempt, conn, attempt->fd, result);
}

static int connect_waiting(struct attempt *attempt, struct conn *conn, const struct inject_verdict *verdict)
{
    int fd = attempt->fd;
    uint64_t delay_ns = (uint64_t)(verdict->delay_ns + verdict->late_ns), until_ns = clock_now_ns() + delay_ns;
    if (verdict->swallowed && pending_swallow(conn, fd)) {
        if (!atomic_load(&conn->has_call))
            conn->outer = 0;
        errno = EINPROGRESS;
        return -1;
    }
    if (delay_ns > 0 && park_begin(conn, fd, until_ns))
        inject_delayed(conn, until_ns);
    int result = real.connect(fd, (const struct sockaddr *)&attempt->addr, attempt->length);
    if (result == 0 && park_holds(conn)) {
        errno = EINPROGRESS; /* connected at once, but not for the application before its time */
        result = -1;
    }
    return conclude(attempt, conn, fd, result);
}

static int call(struct attempt *attempt, struct conn *conn)
{
    struct inject_verdict verdict = {0};
    int saved = errno;
    undefer(conn, attempt->fd);
    if (__builtin_expect(conn->struck != 0, 0))
        verdict = inject_connect(conn);
    if (verdict.error)
        return fail(attempt, conn, verdict.error);
    errno = saved;
    return attempt->blocking ? connect_blocking(attempt, conn, &verdict) : connect_waiting(attempt, conn, &verdict);
}

/* Admission said WAIT, but the descriptor cannot be parked: then there is no place. */
static int refuse_waiting(struct attempt *attempt)
{
    enum verdict verdict = attempt->turn_ns ? VERDICT_RATE : VERDICT_QUEUE_FULL;
    attempt->refused = true;
    attempt->verdict = verdict;
    admit_give_back(attempt);
    return admit_refuse(attempt, verdict);
}

/* A connection that is meant to go through a relay never goes past it. */
static bool needs_relay(const struct attempt *attempt)
{
    return attempt->destination->via > 0 && attempt->destination->conf.mode == MODE_ENFORCE && !attempt->relayed &&
           !attempt->target;
}

/* Whether the call has an address that somebody may be at. */
static bool has_place(struct attempt *attempt)
{
    if (needs_relay(attempt))
        return steer_via(attempt);
    return !attempt->nowhere || attempt->steered || attempt->relayed || attempt->target;
}

static int try_connect(struct attempt *attempt)
{
    enum verdict verdict = has_place(attempt) ? admit_ask(attempt) : VERDICT_NO_ENDPOINT;
    attempt->verdict = verdict;
    attempt->refused = verdict != VERDICT_ADMIT && verdict != VERDICT_WAIT;
    if (attempt->refused)
        return admit_refuse(attempt, verdict);
    if (verdict == VERDICT_WAIT)
        return pending_wait(attempt) ? -1 : refuse_waiting(attempt);
    struct conn *conn = record_new(attempt);
    if (!conn) {
        admit_give_back(attempt);
        return real.connect(attempt->fd, (const struct sockaddr *)&attempt->addr, attempt->length);
    }
    record_begin(conn, attempt);
    if (!attempt->blocking && (attempt->destination->conf.retry_attempts > 1 || fallback_left(attempt)))
        pending_keep(conn, attempt);
    return call(attempt, conn);
}

static void begin_call(struct attempt *attempt)
{
    const struct conf *conf = &attempt->destination->conf;
    if (steer_wanted(attempt->destination))
        steer_begin(attempt);
    attempt->cookie = kernel_cookie(attempt->fd);
    attempt->blocking = !kernel_nonblocking(attempt->fd);
    if (conf->timeout_total_ns > 0 && conf->mode == MODE_ENFORCE)
        attempt->end_ns = attempt->now_ns + (uint64_t)conf->timeout_total_ns;
    if (conf->retry_attempts > 1)
        attempt->outer = conf->order == ORDER_BREAKER_OUTSIDE    ? OUTER_BREAKER
                         : conf->order == ORDER_BULKHEAD_OUTSIDE ? OUTER_SLOTS
                                                                 : 0;
    retry_count_call(attempt);
}

static int first_connect(struct attempt *attempt)
{
    uint64_t wait_ns;
    begin_call(attempt);
    if (steer_wanted(attempt->destination) && !attempt->steered)
        return real.connect(attempt->fd, (const struct sockaddr *)&attempt->addr, attempt->length);
    int result = try_connect(attempt);
    attempt->error = errno; /* a retry that we refuse ourselves does not hide why the call failed */
    if (!attempt->blocking && !(attempt->refused && fallback_left(attempt)))
        return result;
    while (result != 0 && (attempt->blocking || attempt->refused) && retry_next(attempt, attempt->error, &wait_ns)) {
        inject_sleep((int64_t)wait_ns);
        attempt->now_ns = clock_now_ns();
        retry_count(attempt);
        result = try_connect(attempt);
        if (!attempt->refused)
            attempt->error = errno;
    }
    int error = result == 0 ? errno : attempt->error;
    if (result == 0 || error != EINPROGRESS)
        retry_ended(attempt, result == 0);
    if (attempt->has_admission || attempt->has_slots)
        admit_settle(attempt);
    errno = error;
    return result;
}

/* A connect is in flight: the application collects its result, or waits for it. */
static int connect_again(struct conn *conn, int fd, const struct sockaddr *addr, socklen_t length)
{
    int error = track_report(conn);
    if (error) {
        kernel_take_error(fd);
        drop(NULL, fd, error);
        return -1;
    }
    if (park_holds(conn)) {
        deadline_fire(clock_now_ns()); /* for a program that asks again and again and never waits */
        errno = EALREADY;
        return -1;
    }
    int result;
    if (kernel_nonblocking(fd)) {
        result = real.connect(fd, addr, length);
    } else {
        uint64_t deadline_ns = atomic_load(&conn->deadline_ns);
        uint64_t now_ns = clock_now_ns();
        int64_t rest_ns = deadline_ns > now_ns ? (int64_t)(deadline_ns - now_ns) : deadline_ns ? 1 : 0;
        result = block_connect(conn, fd, addr, length, rest_ns);
    }
    if (result != 0 && errno == EISCONN) {
        track_connected(conn, clock_now_ns());
        errno = EISCONN;
        return -1;
    }
    return conclude(NULL, conn, fd, result);
}

/* A record stands at this descriptor. True when it answered the call. */
static bool known(struct conn *conn, int fd, const struct sockaddr *addr, socklen_t length, int *result)
{
    enum conn_state state = conn_state(conn);
    bool same_socket = kernel_cookie(fd) == conn->cookie;
    bool established = state == CONN_FRESH || state == CONN_WAITING || state == CONN_ANSWERING;
    bool disconnect = kernel_readable(addr, sizeof addr->sa_family) && addr->sa_family == AF_UNSPEC;
    if (same_socket && !disconnect && (state == CONN_CONNECTING || state == CONN_EXPIRED)) {
        *result = connect_again(conn, fd, addr, length);
        return true;
    }
    if (same_socket && !disconnect && established)
        return false;     /* the kernel says EISCONN */
    conn = conn_take(fd); /* another socket under an old number, or one that begins anew */
    if (conn)
        track_release(conn);
    return false;
}

/* The destination of the call; false: it is none of ours. */
static bool is_ours(struct attempt *attempt, const struct sockaddr *addr, socklen_t length)
{
    int fd = attempt->fd;
    if (!address_read(&attempt->to, addr, length) || conn_of(fd) != NULL ||
        !(attempt->to.family == AF_UNIX ? is_stream(fd) : is_tcp(fd)) || !host_attach() || host_off())
        return false;
    memcpy(&attempt->addr, addr, length);
    attempt->length = length;
    attempt->now_ns = clock_now_ns();
    return admit_find(attempt);
}

int attempt_connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    struct attempt attempt = {.fd = fd};
    int saved = errno;
    int result;
    if (names_resolving() || !readable_address(addr, length))
        return real.connect(fd, addr, length);
    if (lineage_borrowed())
        return real.connect(fd, addr, length);
    struct conn *conn = conn_of(fd);
    if (conn && known(conn, fd, addr, length, &result))
        return result;
    bool ours = is_ours(&attempt, addr, length);
    if (!ours && attempt.nowhere) { /* a port of the service that no rule names: its packets would go to strangers */
        copies_unpin(&attempt.copy);
        errno = ECONNREFUSED;
        return -1;
    }
    errno = saved;
    if (!ours) {
        copies_unpin(&attempt.copy);
        return real.connect(fd, addr, length);
    }
    result = first_connect(&attempt);
    copies_unpin(&attempt.copy);
    return result;
}

/* What an earlier connect left behind does not stand in the way of another one. */
static bool may_begin(int fd)
{
    struct conn *conn = conn_of(fd);
    enum conn_state state = conn ? conn_state(conn) : CONN_FREE;
    if (!conn)
        return true;
    if (state != CONN_ENDED && state != CONN_DEAD && kernel_cookie(fd) == conn->cookie)
        return false;
    conn = conn_take(fd);
    if (conn)
        track_release(conn);
    return true;
}

static enum fastopen fastopen(struct attempt *attempt, struct conn **conn)
{
    int saved = errno, fd = attempt->fd;
    if (attempt->destination->conf.mode == MODE_ENFORCE)
        return first_connect(attempt) == 0 ? FASTOPEN_CONNECTED : FASTOPEN_FAILED;
    attempt->cookie = kernel_cookie(fd);
    attempt->blocking = !kernel_nonblocking(fd);
    if (admit_ask(attempt) != VERDICT_ADMIT)
        return FASTOPEN_FOREIGN; /* nothing is refused here */
    *conn = record_new(attempt);
    if (*conn)
        record_begin(*conn, attempt);
    else
        admit_give_back(attempt);
    errno = saved;
    return *conn ? FASTOPEN_TRACKED : FASTOPEN_FOREIGN;
}

enum fastopen attempt_fastopen(int fd, const struct sockaddr *addr, socklen_t length, int flags, struct conn **conn)
{
    struct attempt attempt = {.fd = fd};
    int saved = errno;
    /* MSG_DONTWAIT on a blocking socket has no connect() that would do the same. */
    bool plain = !(flags & MSG_DONTWAIT) || kernel_nonblocking(fd);
    bool ours = !host.inert && plain && !names_resolving() && readable_address(addr, length) &&
                addr->sa_family != AF_UNSPEC && may_begin(fd) && is_ours(&attempt, addr, length);
    errno = saved;
    enum fastopen how = ours ? fastopen(&attempt, conn) : FASTOPEN_FOREIGN;
    copies_unpin(&attempt.copy);
    return how;
}

ssize_t attempt_fastopened(struct conn *conn, int fd, ssize_t result)
{
    int error = errno;
    if (result < 0) {
        conclude(NULL, conn, fd, -1);
    } else {
        track_settle(conn, fd); /* with a cookie the handshake may be under way still */
        exchange_wrote(conn, (uint64_t)result, 0);
    }
    errno = error;
    return result;
}
