/* SPDX-License-Identifier: MIT
 * Parking. */
#include "conn/park.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/conn.h"
#include "conn/deadline.h"
#include "conn/pending.h"
#include "real/raw.h"

enum { EPOLL_NONE = 0, EPOLL_SEVERAL = -1 };

static long control(const struct conn *conn, int operation, int fd)
{
    struct epoll_event event = {.events = atomic_load(&conn->epoll_events)};
    event.data.u64 = atomic_load(&conn->epoll_data);
    return raw_syscall(SYS_epoll_ctl, atomic_load(&conn->epoll_fd) - 1, operation, fd, (long)&event, 0, 0);
}

bool park_begin(struct conn *conn, int fd, uint64_t until_ns)
{
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    if (epoll_fd == EPOLL_SEVERAL)
        return false;
    if (epoll_fd > EPOLL_NONE && control(conn, EPOLL_CTL_DEL, fd) != 0)
        return false;
    if (atomic_exchange(&conn->parked_ns, until_ns) == 0)
        atomic_fetch_add(&conn_curious, 1);
    deadline_lower(until_ns);
    return true;
}

bool park_holds(const struct conn *conn)
{
    return atomic_load_explicit(&conn->parked_ns, memory_order_relaxed) != 0;
}

bool park_is_due(const struct conn *conn, uint64_t now_ns)
{
    uint64_t until_ns = atomic_load_explicit(&conn->parked_ns, memory_order_relaxed);
    return until_ns != 0 && now_ns >= until_ns;
}

void park_prolong(struct conn *conn, uint64_t until_ns)
{
    uint64_t seen = atomic_load(&conn->parked_ns);
    if (seen != 0 && atomic_compare_exchange_strong(&conn->parked_ns, &seen, until_ns))
        deadline_lower(until_ns);
}

void park_end(struct conn *conn)
{
    if (atomic_exchange(&conn->parked_ns, 0) == 0)
        return;
    atomic_fetch_sub(&conn_curious, 1);
    if (atomic_load(&conn->epoll_fd) > EPOLL_NONE)
        control(conn, EPOLL_CTL_ADD, atomic_load(&conn->fd));
}

bool park_epoll_is_plain(uint32_t events)
{
    return (events & (EPOLLONESHOT | EPOLLEXCLUSIVE)) == 0;
}

bool park_is_registered(const struct conn *conn, int epfd, uint64_t data)
{
    return atomic_load_explicit(&conn->epoll_fd, memory_order_relaxed) == epfd + 1 &&
           atomic_load_explicit(&conn->epoll_data, memory_order_relaxed) == data;
}

enum { SETS = 256 };
static _Atomic uint32_t waiting[SETS]; /* threads inside epoll_wait; a thread that is cancelled there stays counted */

void park_wait_begin(int epfd)
{
    atomic_fetch_add_explicit(&waiting[(unsigned)epfd % SETS], 1, memory_order_relaxed);
}

void park_wait_end(int epfd)
{
    atomic_fetch_sub_explicit(&waiting[(unsigned)epfd % SETS], 1, memory_order_relaxed);
}

bool park_is_shared(const struct conn *conn)
{
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    return epoll_fd > EPOLL_NONE &&
           atomic_load_explicit(&waiting[(unsigned)(epoll_fd - 1) % SETS], memory_order_relaxed) > 1;
}

static void record(struct conn *conn, int epfd, const struct epoll_event *event)
{
    bool plain = park_epoll_is_plain(event->events);
    atomic_store(&conn->epoll_events, event->events);
    atomic_store(&conn->epoll_data, event->data.u64);
    atomic_store(&conn->epoll_fd, plain ? epfd + 1 : EPOLL_SEVERAL);
}

bool park_epoll_ctl(struct conn *conn, int epfd, int operation, const struct epoll_event *event, int *result)
{
    int32_t known = atomic_load(&conn->epoll_fd);
    if (!park_holds(conn) || (known > EPOLL_NONE && known != epfd + 1))
        return false;
    bool registered = known == epfd + 1;
    if (operation != EPOLL_CTL_DEL && !park_epoll_is_plain(event->events)) {
        pending_abort(conn); /* such a registration cannot be kept back */
        park_end(conn);
        return false;
    }
    *result = 0;
    if (operation == EPOLL_CTL_ADD && !registered) {
        record(conn, epfd, event);
    } else if (operation == EPOLL_CTL_MOD && registered) {
        record(conn, epfd, event);
    } else if (operation == EPOLL_CTL_DEL && registered) {
        atomic_store(&conn->epoll_fd, EPOLL_NONE);
    } else {
        errno = operation == EPOLL_CTL_ADD ? EEXIST : ENOENT;
        *result = -1;
    }
    return true;
}

void park_registered(struct conn *conn, int epfd, int operation, const struct epoll_event *event)
{
    int32_t known = atomic_load(&conn->epoll_fd);
    if (operation == EPOLL_CTL_DEL) {
        if (known == epfd + 1)
            atomic_store(&conn->epoll_fd, EPOLL_NONE);
    } else if (known == EPOLL_NONE || known == epfd + 1) {
        record(conn, epfd, event);
    } else {
        atomic_store(&conn->epoll_fd, EPOLL_SEVERAL);
    }
}
