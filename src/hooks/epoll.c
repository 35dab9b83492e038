/* SPDX-License-Identifier: MIT
 * epoll: see conn/wait.h and conn/park.h. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "conn/park.h"
#include "conn/exchange.h"
#include "conn/kernel.h"
#include "conn/registration.h"
#include "conn/sleeper.h"
#include "conn/wait.h"
#include "hooks/hook.h"

HOOK int epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
    struct conn *conn = conn_of(fd);
    int result;
    if (!conn) {
        result = real.epoll_ctl(epfd, operation, fd, event);
        if (result == 0 && operation != EPOLL_CTL_DEL)
            registration_note(epfd, fd);
        return result;
    }
    if (!park_epoll_ctl(conn, epfd, operation, fd, event, &result)) {
        result = real.epoll_ctl(epfd, operation, fd, event);
        if (result == 0)
            park_registered(conn, epfd, operation, fd, event);
    }
    if (result == 0 && operation != EPOLL_CTL_DEL && (event->events & EPOLLIN))
        exchange_listen(conn);
    return result;
}

/* With nothing to watch, the application's own wait; but what may wake a sleeper (conn/sleeper.h) ends no other. */
static SLOW int unwatched_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
    struct wait wait;
    int result;
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    do
        result = real.epoll_wait(epfd, events, count, wait_rest_ms(&wait));
    while (sleeper_took_all(events, &result) && wait_again(&wait));
    return result;
}

static SLOW int unwatched_pwait(int epfd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    do
        result = real.epoll_pwait(epfd, events, count, wait_rest_ms(&wait), mask);
    while (sleeper_took_all(events, &result) && wait_again(&wait));
    return result;
}

static SLOW int unwatched_pwait2(int epfd, struct epoll_event *events, int count, int64_t timeout_ns,
                                 const sigset_t *mask)
{
    struct wait wait;
    int result;
    wait_start(&wait, timeout_ns);
    do {
        int64_t rest_ns = wait_rest_ns(&wait);
        struct timespec rest = {.tv_sec = (time_t)(rest_ns / NS_PER_S), .tv_nsec = (long)(rest_ns % NS_PER_S)};
        result = real.epoll_pwait2(epfd, events, count, rest_ns < 0 ? NULL : &rest, mask);
    } while (sleeper_took_all(events, &result) && wait_again(&wait));
    return result;
}

HOOK int epoll_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
    struct wait wait;
    int result;
    park_wait_enter(epfd);
    if (!wait_watching_set(timeout < 0 ? -1 : timeout * NS_PER_MS))
        return sleeper_may_wake() ? unwatched_wait(epfd, events, count, timeout)
                                  : real.epoll_wait(epfd, events, count, timeout);
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    park_wait_begin(epfd);
    do
        result = wait_epoll_filter(&wait, epfd, events, real.epoll_wait(epfd, events, count, wait_slice_ms(&wait)));
    while (result == 0 && wait_again(&wait));
    park_wait_end();
    return result;
}

HOOK int epoll_pwait(int epfd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;
    park_wait_enter(epfd);
    if (!wait_watching_set(timeout < 0 ? -1 : timeout * NS_PER_MS))
        return sleeper_may_wake() ? unwatched_pwait(epfd, events, count, timeout, mask)
                                  : real.epoll_pwait(epfd, events, count, timeout, mask);
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    park_wait_begin(epfd);
    do
        result =
            wait_epoll_filter(&wait, epfd, events, real.epoll_pwait(epfd, events, count, wait_slice_ms(&wait), mask));
    while (result == 0 && wait_again(&wait));
    park_wait_end();
    return result;
}

HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int count, const struct timespec *timeout,
                      const sigset_t *mask)
{
    struct wait wait;
    int64_t timeout_ns;
    int result;
    park_wait_enter(epfd);
    bool may_wake = sleeper_may_wake();
    if ((!may_wake && !wait_watching_set(-1)) || (timeout && !kernel_readable(timeout, (unsigned)sizeof *timeout)) ||
        !wait_ns(timeout, &timeout_ns))
        return real.epoll_pwait2(epfd, events, count, timeout, mask);
    if (!wait_watching_set(timeout_ns))
        return may_wake ? unwatched_pwait2(epfd, events, count, timeout_ns, mask)
                        : real.epoll_pwait2(epfd, events, count, timeout, mask);
    wait_start(&wait, timeout_ns);
    park_wait_begin(epfd);
    do {
        int64_t slice_ns = wait_slice_ns(&wait);
        struct timespec slice = {.tv_sec = (time_t)(slice_ns / NS_PER_S), .tv_nsec = (long)(slice_ns % NS_PER_S)};
        result = wait_epoll_filter(&wait, epfd, events,
                                   real.epoll_pwait2(epfd, events, count, slice_ns < 0 ? NULL : &slice, mask));
    } while (result == 0 && wait_again(&wait));
    park_wait_end();
    return result;
}
