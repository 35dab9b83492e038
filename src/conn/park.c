/* SPDX-License-Identifier: MIT
 * Parking. */
#include "conn/park.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/conn.h"
#include "conn/deadline.h"
#include "conn/kernel.h"
#include "conn/host.h"
#include "conn/pending.h"
#include "conn/registration.h"
#include "conn/sleeper.h"
#include "real/raw.h"

enum { EPOLL_NONE = 0, EPOLL_SEVERAL = -1 };

static long control(const struct conn *conn, int operation, int fd)
{
    struct epoll_event event = {.events = atomic_load(&conn->epoll_events)};
    event.data.u64 = atomic_load(&conn->epoll_data);
    return raw_syscall(SYS_epoll_ctl, atomic_load(&conn->epoll_fd) - 1, operation, fd, (long)&event, 0, 0);
}

static void record(struct conn *conn, int epfd, int fd, const struct epoll_event *event)
{
    bool plain = park_epoll_is_plain(event->events);
    atomic_store(&conn->epoll_target, fd);
    atomic_store(&conn->epoll_events, event->events);
    atomic_store(&conn->epoll_data, event->data.u64);
    atomic_store(&conn->epoll_fd, plain ? epfd + 1 : EPOLL_SEVERAL);
}

/* The thread that entered a wait for the set last, as an address of its own. One that is not the caller may be asleep
 * there, for as long as it knew of no deadline. */
enum { WAITERS = 4096 };
static _Atomic(const char *) waiter[WAITERS]; /* any thread writes */
static __thread char here;

void park_wait_enter(int epfd)
{
    _Atomic(const char *) *last = &waiter[(unsigned)epfd % WAITERS];
    if (atomic_load_explicit(last, memory_order_relaxed) != &here) /* the line stays shared by loops side by side */
        atomic_store_explicit(last, &here, memory_order_relaxed);
}

static bool sleeps_elsewhere(int epfd)
{
    const char *thread = atomic_load_explicit(&waiter[(unsigned)epfd % WAITERS], memory_order_relaxed);
    return thread && thread != &here;
}

/* A registration from before the record. */
static void look_back(struct conn *conn, int fd)
{
    int epfd;
    struct epoll_event event;
    enum registration found = registration_find(fd, &epfd, &event);
    if (found == REGISTRATION_FOUND)
        record(conn, epfd, fd, &event);
    else if (found == REGISTRATION_UNKNOWN)
        atomic_store(&conn->epoll_fd, EPOLL_SEVERAL);
}

void park_look_back(struct conn *conn, int fd, int epfd)
{
    if (atomic_load(&conn->epoll_fd) == EPOLL_NONE && registration_set(fd) == epfd)
        look_back(conn, fd);
}

static bool begin(struct conn *conn, uint64_t until_ns)
{
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    if (epoll_fd == EPOLL_SEVERAL)
        return false;
    if (!park_holds(conn) && epoll_fd > EPOLL_NONE &&
        control(conn, EPOLL_CTL_DEL, atomic_load(&conn->epoll_target)) != 0)
        return false;
    if (atomic_exchange(&conn->parked_ns, until_ns) == 0)
        atomic_fetch_add(&conn_curious, 1);
    deadline_lower(until_ns);
    return true;
}

bool park_is_possible(struct conn *conn, int fd)
{
    if (atomic_load(&conn->epoll_fd) == EPOLL_NONE)
        look_back(conn, fd);
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    return epoll_fd != EPOLL_SEVERAL && !(epoll_fd > EPOLL_NONE && sleeps_elsewhere(epoll_fd - 1));
}

bool park_extend(struct conn *conn, int fd, uint64_t until_ns)
{
    if (atomic_load(&conn->epoll_fd) == EPOLL_NONE)
        look_back(conn, fd);
    return begin(conn, until_ns);
}

bool park_begin(struct conn *conn, int fd, uint64_t until_ns)
{
    if (atomic_load(&conn->epoll_fd) == EPOLL_NONE)
        look_back(conn, fd);
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    return !(epoll_fd > EPOLL_NONE && sleeps_elsewhere(epoll_fd - 1)) && begin(conn, until_ns);
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
    int fd = atomic_load(&conn->epoll_target);
    /* Closed behind our back, the number may be somebody else's. */
    if (atomic_load(&conn->epoll_fd) > EPOLL_NONE && kernel_cookie(fd) == conn->cookie)
        control(conn, EPOLL_CTL_ADD, fd);
}

void park_give_up(struct conn *conn)
{
    pending_abort(conn);
    park_end(conn);
}

void park_drop(struct conn *conn)
{
    if (atomic_exchange(&conn->parked_ns, 0) != 0)
        atomic_fetch_sub(&conn_curious, 1);
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

/* The threads inside epoll_wait, by id: 0 = a free place. Written by the thread itself; one that was cancelled there is
 * cleared by whoever finds it dead, one that jumped out of it by itself at its next wait. More waiters than places:
 * they are several all the same. */
enum { SETS = 256, PLACES = 4 };
static _Atomic uint32_t waiting[SETS][PLACES];
static __thread _Atomic uint32_t *place; /* this thread's, NULL = it does not wait */
static __thread uint32_t own_id, own_id_of;

/* A child of fork has an id of its own. */
static uint32_t thread_id(void)
{
    uint32_t pid = atomic_load_explicit(&host.pid, memory_order_relaxed);
    if (own_id_of != pid) {
        own_id = (uint32_t)raw_gettid();
        own_id_of = pid;
    }
    return own_id;
}

void park_wait_end(void)
{
    uint32_t id = thread_id();
    _Atomic uint32_t *mine = place;
    place = NULL;
    sleeper_end();
    if (mine)
        atomic_compare_exchange_strong_explicit(mine, &id, 0, memory_order_relaxed, memory_order_relaxed);
}

void park_wait_begin(int epfd)
{
    _Atomic uint32_t *places = waiting[(unsigned)epfd % SETS];
    if (__builtin_expect(place != NULL, 0))
        park_wait_end(); /* a wait that was left by a jump */
    if (atomic_load_explicit(&conn_live, memory_order_relaxed) == 0)
        sleeper_begin(epfd, thread_id());
    for (int i = 0; i < PLACES; i++) {
        uint32_t none = 0;
        if (!atomic_compare_exchange_strong_explicit(&places[i], &none, thread_id(), memory_order_relaxed,
                                                     memory_order_relaxed))
            continue;
        place = &places[i];
        return;
    }
}

static bool is_alive(uint32_t id)
{
    return raw_thread_lives((int)atomic_load(&host.pid), (int)id);
}

static unsigned occupied(const _Atomic uint32_t *places)
{
    unsigned count = 0;
    for (int i = 0; i < PLACES; i++)
        count += atomic_load_explicit(&places[i], memory_order_relaxed) != 0;
    return count;
}

bool park_is_shared(const struct conn *conn)
{
    int32_t epoll_fd = atomic_load(&conn->epoll_fd);
    _Atomic uint32_t *places = waiting[(unsigned)(epoll_fd - 1) % SETS];
    if (epoll_fd <= EPOLL_NONE || occupied(places) < 2)
        return false;
    for (int i = 0; i < PLACES; i++) {
        uint32_t id = atomic_load(&places[i]);
        if (id != 0 && !is_alive(id))
            atomic_compare_exchange_strong(&places[i], &id, 0);
    }
    return occupied(places) > 1;
}

/* Whether the set would take the descriptor; it is in none. Else the errno. */
static int refusal(int epfd, int fd)
{
    struct epoll_event none = {0};
    long result = raw_syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_DEL, fd, (long)&none, 0, 0);
    return result == 0 || result == -ENOENT ? 0 : (int)-result;
}

/* What cannot be kept back: a second set or descriptor, a kind of its own, a set that another thread sleeps on. */
static bool can_keep(const struct conn *conn, int epfd, int fd, const struct epoll_event *event)
{
    int32_t known = atomic_load(&conn->epoll_fd);
    bool other = known != EPOLL_NONE && (known != epfd + 1 || fd != atomic_load(&conn->epoll_target));
    return !other && park_epoll_is_plain(event->events) && !sleeps_elsewhere(epfd);
}

static int keep(struct conn *conn, int epfd, int operation, int fd, const struct epoll_event *event)
{
    bool registered = atomic_load(&conn->epoll_fd) == epfd + 1 && fd == atomic_load(&conn->epoll_target);
    int error = operation == EPOLL_CTL_ADD && registered    ? EEXIST
                : operation != EPOLL_CTL_ADD && !registered ? ENOENT
                : operation == EPOLL_CTL_ADD                ? refusal(epfd, fd)
                                                            : 0;
    if (error) {
        errno = error;
        return -1;
    }
    if (operation == EPOLL_CTL_DEL)
        atomic_store(&conn->epoll_fd, EPOLL_NONE);
    else
        record(conn, epfd, fd, event);
    return 0;
}

bool park_epoll_ctl(struct conn *conn, int epfd, int operation, int fd, const struct epoll_event *event, int *result)
{
    bool changes = operation == EPOLL_CTL_ADD || operation == EPOLL_CTL_MOD;
    if (!park_holds(conn) || (!changes && operation != EPOLL_CTL_DEL) ||
        (changes && !kernel_readable(event, (unsigned)sizeof *event)))
        return false;
    if (changes && !can_keep(conn, epfd, fd, event)) {
        park_give_up(conn);
        return false;
    }
    *result = keep(conn, epfd, operation, fd, event);
    return true;
}

void park_registered(struct conn *conn, int epfd, int operation, int fd, const struct epoll_event *event)
{
    int32_t known = atomic_load(&conn->epoll_fd);
    bool same = known == epfd + 1 && fd == atomic_load(&conn->epoll_target);
    if (operation == EPOLL_CTL_DEL) {
        if (same)
            atomic_store(&conn->epoll_fd, EPOLL_NONE);
    } else if (known == EPOLL_NONE || same) {
        record(conn, epfd, fd, event);
    } else {
        atomic_store(&conn->epoll_fd, EPOLL_SEVERAL);
    }
}
