/* SPDX-License-Identifier: MIT
 * Calls that go on behind the application's back. */
#include "conn/pending.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "conn/deadline.h"
#include "conn/fallback.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/kernel.h"
#include "conn/observe.h"
#include "conn/park.h"
#include "conn/record.h"
#include "conn/retry.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/classify.h"
#include "real/real.h"

/*   NONE: no call is kept, or its attempt is in the kernel     WAITING: parked, for its turn or its next attempt
 *   BUSY: some thread moves it on                              SWALLOWED: parked by chaos, until its deadline      */
enum { PENDING_NONE, PENDING_WAITING, PENDING_BUSY, PENDING_SWALLOWED };

#define NEVER_NS (UINT64_MAX / 2)

_Atomic uint32_t pending_calls;

static bool claim(struct conn *conn, uint32_t from)
{
    return atomic_compare_exchange_strong(&conn->pending, &from, PENDING_BUSY);
}

bool pending_holds(const struct conn *conn)
{
    return atomic_load_explicit(&conn->pending, memory_order_acquire) != PENDING_NONE;
}

bool pending_is_busy(const struct conn *conn)
{
    return atomic_load_explicit(&conn->pending, memory_order_acquire) == PENDING_BUSY;
}

void pending_keep(struct conn *conn, const struct attempt *attempt)
{
    struct rules_copy *pin = copies_share(attempt->copy);
    copies_unpin(&conn->call.copy);
    conn->call = *attempt;
    conn->call.copy = pin;
    memset(conn->call.held, 0, sizeof conn->call.held); /* the record has them */
    if (!atomic_exchange(&conn->has_call, 1))
        atomic_fetch_add(&pending_calls, 1);
}

void pending_forget(struct conn *conn)
{
    if (!atomic_exchange(&conn->has_call, 0))
        return;
    atomic_fetch_sub(&pending_calls, 1);
    slots_release_all(conn->call.held);
    if (conn->call.has_admission)
        admit_settle(&conn->call);
    conn->outer = 0;
    copies_unpin(&conn->call.copy);
    atomic_store(&conn->pending, PENDING_NONE);
}

void pending_end(struct conn *conn, bool ok)
{
    if (!atomic_load(&conn->has_call))
        return;
    retry_ended(&conn->call, ok);
    pending_forget(conn);
}

void pending_after_fork(struct conn *conn)
{
    memset(conn->call.held, 0, sizeof conn->call.held);
    conn->call.has_admission = false;
    pending_forget(conn);
}

bool pending_wait(struct attempt *attempt)
{
    struct conn *conn = record_new(attempt);
    if (!conn)
        return false;
    pending_keep(conn, attempt);
    memcpy(conn->call.held, attempt->held, sizeof conn->call.held); /* its place in the queue */
    memset(attempt->held, 0, sizeof attempt->held);
    atomic_store(&conn->deadline_ns, conn->end_ns);
    atomic_store(&conn->pending, PENDING_WAITING);
    if (park_begin(conn, attempt->fd, attempt->wait_until_ns)) {
        errno = EINPROGRESS;
        return true;
    }
    memcpy(attempt->held, conn->call.held, sizeof attempt->held);
    memset(conn->call.held, 0, sizeof conn->call.held);
    pending_forget(conn);
    atomic_store(&conn->state, CONN_ENDED);
    track_release(conn_take(attempt->fd));
    return false;
}

bool pending_retry(struct conn *conn, int fd, int error, enum observation seen)
{
    uint64_t wait_ns;
    if (!atomic_load(&conn->has_call))
        return false;
    if (!claim(conn, PENDING_NONE))
        return true; /* another thread is at it */
    struct attempt *call = &conn->call;
    call->now_ns = clock_now_ns();
    call->error = error;
    if (conn_state(conn) != CONN_CONNECTING || park_is_shared(conn) || !retry_next(call, error, &wait_ns) ||
        !park_extend(conn, fd, call->now_ns + wait_ns)) {
        atomic_store(&conn->pending, PENDING_NONE);
        if (conn_state(conn) == CONN_CONNECTING)
            conn->outer = 0; /* the failure is the whole call's: the breaker hears of it by track_connect_failed() */
        return false;
    }
    timer_stop(conn);
    atomic_store(&conn->error, error);
    observe(conn, seen, call->now_ns);
    atomic_store(&conn->started_ns, call->now_ns); /* of the pause */
    record_keep(conn, call);
    slots_release_all(conn->held);
    retry_count(call);
    conn->end_ns = call->end_ns;
    kernel_take_error(fd);
    kernel_disconnect(fd);
    atomic_store(&conn->deadline_ns, conn->end_ns);
    atomic_store_explicit(&conn->pending, PENDING_WAITING, memory_order_release);
    return true;
}

bool pending_overdue(struct conn *conn, int fd)
{
    struct attempt *call = &conn->call;
    uint64_t now_ns = clock_now_ns();
    if (!atomic_load(&conn->has_call) || !fallback_left(call))
        return false;
    if (!claim(conn, PENDING_WAITING))
        return pending_retry(conn, fd, ETIMEDOUT, OBSERVATION_CONNECT_TIMEOUT);
    call->now_ns = now_ns;
    call->refused = false;
    if (!fallback_next(call, ETIMEDOUT)) {
        atomic_store(&conn->pending, PENDING_WAITING);
        return false;
    }
    slots_release_all(call->held); /* its place in a queue */
    fallback_begin(call);
    conn->end_ns = call->end_ns;
    atomic_store(&conn->deadline_ns, conn->end_ns);
    park_prolong(conn, now_ns);
    atomic_store_explicit(&conn->pending, PENDING_WAITING, memory_order_release);
    return true;
}

/* The failure stays the application's. SO_ERROR was taken from the kernel: it is reported by us. */
static void hand_back(struct conn *conn, int error)
{
    pending_end(conn, false);
    atomic_store(&conn->error, error);
    if (!conn_move(conn, CONN_CONNECTING, CONN_EXPIRED))
        return;
    timer_stop(conn);
    observe(conn, classify_connect(error, conn->is_unix), clock_now_ns());
    slots_release_all(conn->held);
}

bool pending_failed(struct conn *conn, int fd)
{
    if (conn_state(conn) != CONN_CONNECTING || !atomic_load(&conn->has_call))
        return false;
    if (pending_holds(conn))
        return true; /* an event from before: another thread was faster */
    switch (kernel_connection(fd)) {
    case KERNEL_CONNECTING:
        return true; /* likewise: the next attempt is under way */
    case KERNEL_CONNECTED:
        return false;
    case KERNEL_CLOSED:
        break;
    }
    bool last = conn->call.target || conn->call.retries + 1 >= (uint64_t)conn->conf->retry_attempts;
    if ((last && !fallback_left(&conn->call)) || park_is_shared(conn)) {
        pending_end(conn, false); /* from here on the application knows */
        return false;
    }
    int error = kernel_take_error(fd);
    if (error == 0 || pending_retry(conn, fd, error, classify_connect(error, conn->is_unix)))
        return error != 0;
    hand_back(conn, error);
    return false;
}

/* The call is over without a connection: the application hears of it by its own wait, and collects the error. */
static void give_up(struct conn *conn, int fd, int error)
{
    pending_end(conn, false);
    atomic_store(&conn->error, error);
    if (conn_move(conn, CONN_CONNECTING, CONN_EXPIRED)) {
        timer_stop(conn);
        kernel_cancel(fd);
    }
}

static int connect_now(const struct attempt *call, int fd)
{
    int result = real.connect(fd, (const struct sockaddr *)&call->addr, call->length);
    return result == 0 || errno == EINPROGRESS || errno == EINTR ? 0 : errno;
}

/* Nobody answers: it ends by its deadline. */
static void swallow(struct conn *conn)
{
    int64_t limit_ns = record_limit_ns(conn);
    uint64_t end_ns = atomic_load(&conn->started_ns) + (uint64_t)(limit_ns > 0 ? limit_ns : INJECT_PATIENCE_NS);
    inject_delayed(conn, NEVER_NS);
    atomic_store_explicit(&conn->pending, PENDING_SWALLOWED, memory_order_release);
    atomic_store(&conn->deadline_ns, end_ns);
    deadline_lower(end_ns);
}

bool pending_swallow(struct conn *conn, int fd)
{
    if (!park_begin(conn, fd, NEVER_NS))
        return false;
    swallow(conn);
    return true;
}

void pending_let_go(struct conn *conn)
{
    uint32_t swallowed = PENDING_SWALLOWED;
    atomic_compare_exchange_strong(&conn->pending, &swallowed, PENDING_NONE);
}

/* The attempt of a call whose turn has come. Returns whether the descriptor stays parked. */
static bool begin_attempt(struct conn *conn, int fd)
{
    struct attempt *call = &conn->call;
    record_begin(conn, call);
    if (call->retries > 0 || call->target)
        record_draw(conn, call);
    struct inject_verdict verdict = conn->struck ? inject_connect(conn) : (struct inject_verdict){0};
    if (verdict.swallowed) {
        swallow(conn);
        park_prolong(conn, NEVER_NS);
        return true;
    }
    int error = verdict.error ? verdict.error : connect_now(call, fd);
    if (error == 0) {
        uint64_t delay_ns = (uint64_t)(verdict.delay_ns + verdict.late_ns);
        timer_start(conn, call->now_ns, record_limit_ns(conn));
        if (delay_ns > 0) {
            inject_delayed(conn, call->now_ns + delay_ns);
            park_prolong(conn, call->now_ns + delay_ns);
        }
        atomic_store_explicit(&conn->pending, PENDING_NONE, memory_order_release);
        return delay_ns > 0;
    }
    atomic_store(&conn->pending, PENDING_NONE);
    enum observation seen = classify_connect(error, conn->is_unix);
    if (pending_retry(conn, fd, error, seen))
        return true;
    observe(conn, seen, clock_now_ns());
    slots_release_all(conn->held);
    give_up(conn, fd, error);
    return false;
}

/* A refused call goes on at its fallback, if that takes it. */
static enum verdict ask_on(struct attempt *call)
{
    uint64_t wait_ns;
    enum verdict verdict = admit_ask(call);
    while (verdict != VERDICT_ADMIT && verdict != VERDICT_WAIT) {
        call->refused = true;
        call->verdict = verdict;
        if (!fallback_left(call) || !retry_next(call, call->error, &wait_ns))
            break;
        admit_error(call, verdict); /* the refusal is told all the same */
        retry_count(call);
        verdict = admit_ask(call);
    }
    call->refused = false;
    return verdict;
}

bool pending_due(struct conn *conn, uint64_t now_ns)
{
    int saved = errno;
    int fd = atomic_load(&conn->fd);
    if (!claim(conn, PENDING_WAITING))
        return pending_holds(conn);
    struct attempt *call = &conn->call;
    bool stays = false;
    call->now_ns = now_ns;
    /* In doubt it goes on: the error of the last attempt is taken, and the application would believe it connected. */
    if (!kernel_may_be(fd, conn->cookie)) {
        atomic_store(&conn->pending, PENDING_NONE); /* closed behind our back */
        return false;
    }
    enum verdict verdict = ask_on(call);
    conn->end_ns = call->end_ns;
    if (verdict == VERDICT_WAIT) {
        park_prolong(conn, call->wait_until_ns);
        atomic_store_explicit(&conn->pending, PENDING_WAITING, memory_order_release);
        stays = true;
    } else if (verdict == VERDICT_ADMIT) {
        stays = begin_attempt(conn, fd);
    } else {
        int error = admit_error(call, verdict);
        atomic_store(&conn->pending, PENDING_NONE);
        give_up(conn, fd, call->error ? call->error : error);
    }
    errno = saved;
    return stays;
}

void pending_abort(struct conn *conn)
{
    if (claim(conn, PENDING_SWALLOWED)) {
        atomic_store(&conn->injected, 1);
        atomic_store(&conn->pending, PENDING_NONE);
        give_up(conn, atomic_load(&conn->fd), ETIMEDOUT);
        return;
    }
    if (!claim(conn, PENDING_WAITING))
        return;
    struct attempt *call = &conn->call;
    int error = call->error ? call->error : admit_error(call, VERDICT_QUEUE_FULL);
    atomic_store(&conn->pending, PENDING_NONE);
    give_up(conn, atomic_load(&conn->fd), error);
}

/* Parked, or under way, since before the wait began: it was not in the set, or has no failure. */
static bool was_silent(const struct conn *conn, uint64_t since_ns)
{
    return atomic_load(&conn->started_ns) <= since_ns && conn_state(conn) == CONN_CONNECTING &&
           (pending_holds(conn) || kernel_connection(atomic_load(&conn->fd)) == KERNEL_CONNECTING);
}

void pending_suspend(struct conn *conn)
{
    if (!claim(conn, PENDING_WAITING))
        return;
    slots_release_all(conn->call.held);
    atomic_store_explicit(&conn->pending, PENDING_WAITING, memory_order_release);
}

void pending_await(struct conn *conn)
{
    const uint64_t slice_ns = 50000000, short_ns = 1000000;
    uint32_t generation = atomic_load(&conn->generation);
    while (pending_holds(conn) && atomic_load(&conn->generation) == generation) {
        uint64_t now_ns = clock_now_ns(), until_ns = atomic_load(&conn->parked_ns);
        uint64_t rest_ns = until_ns > now_ns + short_ns ? until_ns - now_ns : short_ns;
        inject_sleep((int64_t)(rest_ns < slice_ns ? rest_ns : slice_ns));
        deadline_fire(clock_now_ns());
    }
}

struct conn *pending_of(int epfd, uint64_t data, uint64_t since_ns)
{
    uint32_t index = 0;
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index)) {
        if (!atomic_load(&conn->has_call))
            continue;
        park_look_back(conn, atomic_load(&conn->fd), epfd);
        if (park_is_registered(conn, epfd, data) && !was_silent(conn, since_ns))
            return conn;
    }
    return NULL;
}
