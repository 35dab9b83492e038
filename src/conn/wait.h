/* SPDX-License-Identifier: MIT
 * Waiting in slices: a poll, select or epoll_wait that looks at our deadlines while it waits.
 *
 *   wait_start(&wait, timeout_ns);
 *   do result = real call with wait_slice_ns(&wait); while (result == 0 && wait_again(&wait));
 *
 * The application's own timeout is never cut short, and 0 is never returned before it. Any thread; signal safe. */
#ifndef RESIL_CONN_WAIT_H
#define RESIL_CONN_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "conn/conn.h"

struct wait {
    uint64_t end_ns; /* UINT64_MAX: the application waits for ever */
    uint64_t now_ns;
};

/* wait_watching(): whether this process has anything to watch. False: call the real function and nothing else; what
 * happens otherwise is a function of its own, so that a hook saves no registers for it. */
static inline bool wait_watching(void)
{
    return __builtin_expect(atomic_load_explicit(&conn_live, memory_order_relaxed) != 0, 0);
}

/* wait_watching_set(timeout_ns): likewise for a wait on an epoll set, to which another thread may add a connection that
 * does not exist yet: such a wait is cut into slices as well, where there is another thread. < 0: for ever. */
bool wait_watching_set(int64_t timeout_ns);

/* < 0: for ever. wait_ns() is a timespec as such; false when the kernel would refuse it. */
void wait_start(struct wait *wait, int64_t timeout_ns);
bool wait_ns(const struct timespec *time, int64_t *ns);
int64_t wait_slice_ns(const struct wait *wait); /* < 0: for ever */
bool wait_again(struct wait *wait);
int wait_slice_ms(const struct wait *wait);    /* rounded up */
int64_t wait_rest_ns(const struct wait *wait); /* the application's own time; < 0: for ever */
int wait_rest_ms(const struct wait *wait);

/* After a wait with events: takes back those of connects that failed and go on (conn/pending.h); returns how many
 * events are left. wait_poll_filter(): of an array that the kernel filled. */
int wait_poll_filter(struct pollfd *fds, nfds_t count, int result);
int wait_epoll_filter(const struct wait *wait, int epfd, struct epoll_event *events, int result);

/* wait_curious(): whether some record wants to know what the application waits for. Only then is its array read, and
 * only after the kernel has accepted it. */
bool wait_curious(void);
/* wait_poll_needs_copy(fds, count): tells the records what is waited for; true when one of them is parked. */
bool wait_poll_needs_copy(const struct pollfd *fds, nfds_t count);
/* wait_poll_mask(copy, fds, count): the kernel's copy, without what is parked. */
void wait_poll_mask(struct pollfd *copy, const struct pollfd *fds, nfds_t count);

#endif
