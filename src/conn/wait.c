/* SPDX-License-Identifier: MIT
 * Slices of waits. */
#include "conn/wait.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "conn/conn.h"
#include "conn/deadline.h"
#include "conn/host.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/exchange.h"
#include "conn/sleeper.h"
#include "real/real.h"

bool wait_watching_set(int64_t timeout_ns)
{
    if (wait_watching())
        return true;
    if (host.inert || real_single_threaded())
        return false;
    return timeout_ns < 0 || (uint64_t)timeout_ns > deadline_slice_ns();
}

bool wait_curious(void)
{
    return atomic_load_explicit(&conn_curious, memory_order_relaxed) != 0;
}

bool wait_ns(const struct timespec *time, int64_t *ns)
{
    *ns = -1;
    if (!time)
        return true;
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= NS_PER_S)
        return false;
    int64_t seconds = time->tv_sec; /* a time_t of 32 bits cannot be too large */
    *ns = seconds < INT64_MAX / NS_PER_S ? seconds * NS_PER_S + time->tv_nsec : INT64_MAX;
    return true;
}

void wait_start(struct wait *wait, int64_t timeout_ns)
{
    wait->now_ns = clock_now_ns();
    wait->end_ns = timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX - wait->now_ns
                       ? UINT64_MAX
                       : wait->now_ns + (uint64_t)timeout_ns;
    deadline_fire(wait->now_ns);
}

int64_t wait_slice_ns(const struct wait *wait)
{
    uint64_t next_ns = deadline_next(wait->now_ns);
    if (wait->end_ns < next_ns)
        next_ns = wait->end_ns;
    if (next_ns == UINT64_MAX)
        return -1;
    return next_ns > wait->now_ns ? (int64_t)(next_ns - wait->now_ns) : 0;
}

int64_t wait_rest_ns(const struct wait *wait)
{
    if (wait->end_ns == UINT64_MAX)
        return -1;
    return wait->end_ns > wait->now_ns ? (int64_t)(wait->end_ns - wait->now_ns) : 0;
}

static int rounded_ms(int64_t ns)
{
    if (ns < 0)
        return -1;
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

int wait_slice_ms(const struct wait *wait)
{
    return rounded_ms(wait_slice_ns(wait));
}

int wait_rest_ms(const struct wait *wait)
{
    return rounded_ms(wait_rest_ns(wait));
}

bool wait_again(struct wait *wait)
{
    wait->now_ns = clock_now_ns();
    if (wait->now_ns >= wait->end_ns)
        return false;
    deadline_fire(wait->now_ns);
    return true;
}

int wait_poll_filter(struct pollfd *fds, nfds_t count, int result)
{
    if (result <= 0 || atomic_load_explicit(&pending_calls, memory_order_relaxed) == 0)
        return result;
    for (nfds_t i = 0; i < count; i++) {
        struct conn *conn = fds[i].revents ? conn_of(fds[i].fd) : NULL;
        if (!conn || !pending_failed(conn, fds[i].fd))
            continue;
        fds[i].revents = 0;
        result--;
    }
    return result;
}

int wait_epoll_filter(const struct wait *wait, int epfd, struct epoll_event *events, int result)
{
    result = sleeper_filter(events, result);
    if (result <= 0 || atomic_load_explicit(&pending_calls, memory_order_relaxed) == 0)
        return result;
    int left = 0;
    for (int i = 0; i < result; i++) {
        struct epoll_event event;
        memcpy(&event, &events[i], sizeof event);
        bool failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
        struct conn *conn = failed ? pending_of(epfd, event.data.u64, wait->now_ns) : NULL;
        if (!conn || !pending_failed(conn, atomic_load(&conn->fd)))
            memmove(&events[left++], &event, sizeof event);
    }
    return left;
}

bool wait_poll_needs_copy(const struct pollfd *fds, nfds_t count)
{
    bool parked = false;
    for (nfds_t i = 0; i < count; i++) {
        struct conn *conn = conn_of(fds[i].fd);
        if (!conn)
            continue;
        if (fds[i].events & POLLIN)
            exchange_listen(conn);
        parked |= park_holds(conn);
    }
    return parked;
}

void wait_poll_mask(struct pollfd *copy, const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        const struct conn *conn = conn_of(fds[i].fd);
        copy[i] = fds[i];
        if (conn && park_holds(conn))
            copy[i].fd = -1;
        copy[i].revents = 0;
    }
}
