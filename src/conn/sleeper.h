/* SPDX-License-Identifier: MIT
 * Threads that sleep in epoll_wait in a process that has no connection yet. They know of no deadline, and another
 * thread may make the first one at any moment, for a socket of their set: then they are woken once, by a descriptor
 * that stands ready in their set for that moment, and whose event nobody but us sees. So an idle process does not wake
 * up to look.
 *
 * Any thread; signal handlers; no allocation. No system call but in sleeper_wake(). */
#ifndef RESIL_CONN_SLEEPER_H
#define RESIL_CONN_SLEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* sleeper_begin(epfd, thread): this thread, by its id, is about to sleep. sleeper_end(): it has woken up. A sleep that
 * was left by a jump is ended by the thread's next one. */
void sleeper_begin(int epfd, uint32_t thread);
extern __thread _Atomic uint64_t *sleeper_place; /* this thread's, NULL = it does not sleep, or there are too many */
void sleeper_leave(void);
static inline void sleeper_end(void)
{
    if (__builtin_expect(sleeper_place != NULL, 0))
        sleeper_leave();
}
/* sleeper_is_known(): whether this thread can be woken; false when there are too many. */
static inline bool sleeper_is_known(void)
{
    return __builtin_expect(sleeper_place != NULL, 0);
}

/* sleeper_wake(): the first deadline of the process may follow. Wakes all of them, and waits up to 50 ms for them to
 * have woken up. A few system calls for each. */
void sleeper_wake(void);

/* sleeper_filter(events, count): takes our own events out of what the kernel answered; returns how many are left. */
int sleeper_sort_out(struct epoll_event *events, int count);
extern _Atomic uint32_t sleeper_woken; /* 0 -> 1: there may be such an event */
static inline bool sleeper_may_wake(void)
{
    return __builtin_expect(atomic_load_explicit(&sleeper_woken, memory_order_relaxed) != 0, 0);
}
static inline int sleeper_filter(struct epoll_event *events, int count)
{
    return sleeper_may_wake() && count > 0 ? sleeper_sort_out(events, count) : count;
}
/* sleeper_took_all(events, result): likewise; true when nothing is left of what the kernel answered: the wait goes on.
 */
static inline bool sleeper_took_all(struct epoll_event *events, int *result)
{
    int count = *result;
    *result = sleeper_filter(events, count);
    return count > 0 && *result == 0;
}

/* sleeper_before_fork(): from now on both processes may wait on one set, and either may find the other's event there:
 * its data are the same in both. sleeper_after_fork(): in the child. */
void sleeper_before_fork(void);
void sleeper_after_fork(void);

#endif
