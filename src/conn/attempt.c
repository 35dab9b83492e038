/* SPDX-License-Identifier: MIT
 * The connect call: admission( timeout( chaos( connect ))). */
#include "conn/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "conn/admit.h"
#include "conn/block.h"
#include "conn/deadline.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/names.h"
#include "conn/pace.h"
#include "conn/park.h"
#include "conn/retry.h"
#include "conn/timer.h"
#include "conn/track.h"
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
    int protocol = 0;
    unsigned length = sizeof protocol;
    return raw_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
}

static bool is_stream(int fd)
{
    int type = 0;
    unsigned length = sizeof type;
    return raw_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

static void draw_faults(struct conn *conn, const struct attempt *attempt)
{
    bool named = attempt->rules && attempt->destination != &admit_chaos_destination;
    const char *spec = named ? rules_text(attempt->rules, attempt->destination->conf.chaos) : "";
    if ((host.disabled & DISABLE_CHAOS) || strcmp(spec, "deny") == 0)
        return;
    inject_draw(conn, &host.faults, attempt->name);
    const struct faults *faults = *spec && !conn->struck ? host_rule_faults(attempt->rules, attempt->index) : NULL;
    if (faults)
        inject_draw(conn, faults, attempt->name);
}

/* The record of an admitted attempt; NULL when there is no memory for it: then everything is given back and the call
 * passes through. */
static struct conn *open_record(struct attempt *attempt)
{
    struct conn *conn = conn_new(attempt->fd);
    if (!conn || !conn_install(conn, attempt->fd)) {
        if (conn)
            conn_recycle(conn);
        admit_give_back(attempt);
        atomic_fetch_add(&seg_header(&host.segment)->dropped, 1);
        return NULL;
    }
    conn->cookie = attempt->cookie;
    conn->end_ns = attempt->end_ns;
    conn->is_unix = attempt->to.family == AF_UNIX;
    conn->row = attempt->row;
    conn->endpoint = attempt->endpoint;
    conn->conf = &attempt->destination->conf;
    memcpy(conn->held, attempt->held, sizeof conn->held);
    memset(attempt->held, 0, sizeof attempt->held);
    conn->admission = attempt->admission;
    conn->ordinal = atomic_fetch_add(&host.ordinal, 1);
    atomic_store(&conn->admission_open, 1);
    atomic_store(&conn->started_ns, attempt->now_ns);
    atomic_store(&conn->state, CONN_CONNECTING);
    conn->outer = attempt->outer;
    if (conn->conf->breaker_success_on == SUCCESS_ON_CONNECT)
        timer_slow(conn, attempt->now_ns);
    pace_open(conn, attempt->name);
    draw_faults(conn, attempt);
    deadline_note(conn->conf);
    return conn;
}

static int64_t limit_ns(const struct conn *conn)
{
    const struct conf *conf = conn->conf;
    int64_t limit = conn->admission.ticket.probe ? conf->timeout_probe_ns : conf->timeout_connect_ns;
    uint64_t end_ns = conn->end_ns, started_ns = atomic_load(&conn->started_ns);
    if (end_ns) {
        int64_t rest_ns = end_ns > started_ns ? (int64_t)(end_ns - started_ns) : 1;
        limit = limit <= 0 || rest_ns < limit ? rest_ns : limit;
    }
    return conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_TIMEOUT) ? limit : 0;
}

/* What the call keeps for its next attempt (order). */
static void keep(struct attempt *attempt, struct conn *conn)
{
    if ((conn->outer & OUTER_BREAKER) && atomic_exchange(&conn->admission_open, 0)) {
        attempt->admission = conn->admission;
        attempt->kept = (enum outcome)conn->kept;
        attempt->has_admission = true;
    }
    if (conn->outer & OUTER_SLOTS) {
        memcpy(attempt->held, conn->held, sizeof attempt->held);
        memset(conn->held, 0, sizeof conn->held);
        attempt->has_slots = true;
    }
}

/* The record of a connect that failed is not needed any more. attempt: the call that it belongs to, NULL when that one
 * returned long ago. */
static void drop(struct attempt *attempt, int fd, int error)
{
    struct conn *conn = conn_take(fd);
    if (conn && attempt)
        keep(attempt, conn);
    if (conn)
        track_release(conn);
    errno = error;
}

/* What the real connect answered, told to the record. */
static int conclude(struct attempt *attempt, struct conn *conn, int fd, int result)
{
    int error = errno;
    bool pending = result != 0 && (error == EINPROGRESS || error == EALREADY || error == EINTR);
    if (result == 0 || pending)
        conn->outer = 0; /* the connection's own from here on */
    if (result == 0) {
        track_connected(conn, clock_now_ns());
        return 0;
    }
    if (pending) {
        timer_start(conn, atomic_load(&conn->started_ns), limit_ns(conn));
        errno = error;
        return -1;
    }
    track_connect_failed(conn, error, clock_now_ns()); /* nothing when it was our own timeout */
    drop(attempt, fd, error);
    return -1;
}

/* Chaos before the call. True: the call is over, *result and errno are set. */
static bool inject_connect(struct attempt *attempt, struct conn *conn, bool blocking, int *result)
{
    struct inject_verdict verdict = inject_at(conn, FAULT_AT_CONNECT);
    if (verdict.act == INJECT_NOTHING)
        return false;
    if (verdict.act == INJECT_ERROR) {
        track_connect_failed(conn, verdict.error, clock_now_ns());
        drop(attempt, attempt->fd, verdict.error);
        *result = -1;
        return true;
    }
    if (blocking)
        inject_sleep(verdict.delay_ns);
    else
        park_begin(conn, attempt->fd, clock_now_ns() + (uint64_t)verdict.delay_ns);
    return false;
}

static int call(struct attempt *attempt, struct conn *conn, const struct sockaddr *addr, socklen_t length)
{
    int result, fd = attempt->fd;
    bool blocking = !kernel_nonblocking(fd);
    int saved = errno;
    atomic_store(&conn->blocking, blocking);
    if (inject_connect(attempt, conn, blocking, &result))
        return result;
    errno = saved;
    if (blocking) {
        block_install(conn, fd);
        return conclude(attempt, conn, fd, block_connect(conn, fd, addr, length, limit_ns(conn)));
    }
    result = real.connect(fd, addr, length);
    if (result == 0 && park_holds(conn)) {
        errno = EINPROGRESS; /* connected at once, but not for the application before its time */
        result = -1;
    }
    return conclude(attempt, conn, fd, result);
}

static int try_connect(struct attempt *attempt, const struct sockaddr *addr, socklen_t length)
{
    enum verdict verdict = admit_ask(attempt);
    attempt->refused = verdict != VERDICT_ADMIT;
    if (attempt->refused)
        return admit_refuse(attempt, verdict);
    seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_attempts, 1);
    struct conn *conn = open_record(attempt);
    return conn ? call(attempt, conn, addr, length) : real.connect(attempt->fd, addr, length);
}

static int first_connect(struct attempt *attempt, const struct sockaddr *addr, socklen_t length)
{
    const struct conf *conf = &attempt->destination->conf;
    uint64_t delay_ns = 0;
    uint32_t retries = 0;
    attempt->cookie = kernel_cookie(attempt->fd);
    if (conf->timeout_total_ns > 0 && conf->mode == MODE_ENFORCE)
        attempt->end_ns = attempt->now_ns + (uint64_t)conf->timeout_total_ns;
    if (conf->retry_attempts > 1 && !kernel_nonblocking(attempt->fd))
        attempt->outer = conf->order == ORDER_BREAKER_OUTSIDE    ? OUTER_BREAKER
                         : conf->order == ORDER_BULKHEAD_OUTSIDE ? OUTER_SLOTS
                                                                 : 0;
    int result = try_connect(attempt, addr, length);
    int error = errno; /* a retry that we refuse ourselves does not hide why the call failed */
    retry_count_call(attempt);
    while (result != 0 && retry_wait(attempt, retries + 1, error, &delay_ns)) {
        retries++;
        result = try_connect(attempt, addr, length);
        if (!attempt->refused)
            error = errno;
    }
    if (result == 0 || error != EINPROGRESS)
        retry_ended(attempt, retries, result == 0);
    if (attempt->has_admission || attempt->has_slots)
        admit_settle(attempt);
    errno = result == 0 ? errno : error;
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

int attempt_connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    struct attempt attempt = {.fd = fd};
    int saved = errno;
    int result;
    if (names_resolving() || !readable_address(addr, length))
        return real.connect(fd, addr, length);
    struct conn *conn = conn_of(fd);
    if (conn && known(conn, fd, addr, length, &result))
        return result;
    bool ours = address_read(&attempt.to, addr, length) && conn_of(fd) == NULL &&
                (attempt.to.family == AF_UNIX ? is_stream(fd) : is_tcp(fd)) && host_attach() && !host_off();
    if (ours) {
        attempt.now_ns = clock_now_ns();
        ours = admit_find(&attempt);
    }
    errno = saved;
    return ours ? first_connect(&attempt, addr, length) : real.connect(fd, addr, length);
}
