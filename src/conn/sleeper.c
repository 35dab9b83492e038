/* SPDX-License-Identifier: MIT
 * Sleepers. */
#include "conn/sleeper.h"

#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "real/raw.h"

enum { PLACES = 64 };
#define PATIENCE_NS 50000000
#define REMINDER_NS 5000000

/* thread id:32 | set + 1:32; 0 = free. The thread itself writes; sleeper_wake() frees the place of one that left it by
 * a jump, or died. */
static _Atomic uint64_t sleeping[PLACES];
_Atomic uint32_t sleeper_woken; /* by the first sleeper_wake() that found one, and by a fork */
__thread _Atomic uint64_t *sleeper_place;
static __thread uint64_t word;

/* No data of the application's: the address of something of ours. */
static uint64_t own_data(void)
{
    return (uint64_t)(uintptr_t)&sleeping;
}

void sleeper_leave(void)
{
    _Atomic uint64_t *mine = sleeper_place;
    uint64_t seen = word;
    sleeper_place = NULL;
    if (mine)
        atomic_compare_exchange_strong(mine, &seen, 0);
}

void sleeper_begin(int epfd, uint32_t thread)
{
    sleeper_end();
    word = (uint64_t)thread << 32 | (uint32_t)(epfd + 1);
    for (int i = 0; i < PLACES; i++) {
        uint64_t none = 0;
        if (!atomic_compare_exchange_strong(&sleeping[i], &none, word))
            continue;
        sleeper_place = &sleeping[i];
        return;
    }
}

static void rest(long ns)
{
    const struct timespec pause = {.tv_nsec = ns};
    raw_syscall(SYS_ppoll, 0, 0, (long)&pause, 0, 0, 0);
}

/* The event comes once for each time it is set: what is left behind in a set by a jump out of here keeps nobody awake.
 * A thread for which it was not meant may take it, so it is set again until the right one has woken up. */
static void wake(_Atomic uint64_t *sleeper, uint64_t seen, uint64_t end_ns)
{
    int epfd = (int)(uint32_t)seen - 1;
    long fd = raw_syscall(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    event.data.u64 = own_data();
    if (fd < 0)
        return;
    atomic_store(&sleeper_woken, 1);
    long result = raw_syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, fd, (long)&event, 0, 0);
    uint64_t again_ns = clock_now_ns() + REMINDER_NS;
    while (result == 0 && atomic_load(sleeper) == seen) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= end_ns)
            break;
        if (now_ns >= again_ns) {
            raw_syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_MOD, fd, (long)&event, 0, 0);
            again_ns = now_ns + REMINDER_NS;
        }
        rest(REMINDER_NS / 50);
    }
    if (result == 0)
        raw_syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_DEL, fd, (long)&event, 0, 0);
    raw_close((int)fd);
    atomic_compare_exchange_strong(sleeper, &seen, 0);
}

void sleeper_wake(void)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_NS;
    sleeper_end(); /* a signal handler on a thread that sleeps: it looks when it is back */
    for (int i = 0; i < PLACES; i++) {
        uint64_t seen = atomic_load(&sleeping[i]);
        if (seen != 0)
            wake(&sleeping[i], seen, end_ns);
    }
}

int sleeper_sort_out(struct epoll_event *events, int count)
{
    int left = 0;
    bool foreign = sleeper_place == NULL;
    for (int i = 0; i < count; i++) {
        struct epoll_event event;
        memcpy(&event, &events[i], sizeof event);
        if (event.data.u64 == own_data())
            sleeper_end();
        else
            memmove(&events[left++], &event, sizeof event);
    }
    if (left == 0 && foreign)
        rest(2 * REMINDER_NS); /* it was for another thread of the set: the kernel wakes who came last first */
    return left;
}

void sleeper_before_fork(void)
{
    atomic_store(&sleeper_woken, 1);
}

void sleeper_after_fork(void)
{
    for (int i = 0; i < PLACES; i++)
        atomic_store(&sleeping[i], 0);
}
