/* SPDX-License-Identifier: MIT
 * Waits by syscall(). They are no cancellation points, and the kernel writes what is left of a timeout back, which
 * libc's functions do not do (select excepted). */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "conn/kernel.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/sleeper.h"
#include "conn/wait.h"
#include "hooks/hook.h"
#include "hooks/syscall.h"

enum { KERNEL_SIGSET_BYTES = 8 };

/* The timeout at `at`; false: the kernel is to have the call as it is. */
static bool read_time(const struct call *call, int at, struct timespec *time, int64_t *ns)
{
    const struct timespec *given = (const struct timespec *)call->a[at];
    if (given && !kernel_readable(given, (unsigned)sizeof *given))
        return false;
    if (given)
        *time = *given;
    return wait_ns(given ? time : NULL, ns);
}

/* As the kernel does: not where there was none, and without a word where that memory cannot be written. */
static void write_rest(const struct call *call, int at, int64_t ns, uint64_t end_ns)
{
    struct timespec *given = (struct timespec *)call->a[at];
    uint64_t now_ns = clock_now_ns();
    int64_t rest_ns = end_ns > now_ns ? (int64_t)(end_ns - now_ns) : 0;
    if (ns <= 0 || !kernel_writable(given, (unsigned)sizeof *given))
        return;
    given->tv_sec = (time_t)(rest_ns / NS_PER_S);
    given->tv_nsec = (long)(rest_ns % NS_PER_S);
}

/* The mask of a pselect6: behind a pointer to pointer and size. */
static bool read_mask(const struct call *call, const sigset_t **mask)
{
    const long *pair = (const long *)call->a[5];
    *mask = NULL;
    if (!pair)
        return true;
    if (!kernel_readable(pair, (unsigned)(2 * sizeof *pair)))
        return false;
    *mask = (const sigset_t *)pair[0];
    return !*mask || pair[1] == KERNEL_SIGSET_BYTES;
}

static long precise(const struct call *call, bool polls)
{
    const long *a = call->a;
    int at = polls ? 2 : 4;
    int64_t ns;
    struct timespec time;
    const sigset_t *mask = polls ? (const sigset_t *)a[3] : NULL;
    bool plain = polls ? !mask || a[4] == KERNEL_SIGSET_BYTES : read_mask(call, &mask);
    if (!plain || !read_time(call, at, &time, &ns))
        return syscall_make(call);
    uint64_t now_ns = clock_now_ns(), end_ns = now_ns + (ns > 0 ? (uint64_t)ns : 0);
    const struct timespec *timeout = a[at] ? &time : NULL;
    long result = polls ? ppoll((struct pollfd *)a[0], (nfds_t)a[1], timeout, mask)
                        : pselect((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3], timeout, mask);
    write_rest(call, at, ns, end_ns);
    return result;
}

static long by_hook(const struct call *call)
{
    const long *a = call->a;
    switch (call->number) {
#ifdef SYS_poll
    case SYS_poll:
        return poll((struct pollfd *)a[0], (nfds_t)a[1], (int)a[2]);
#endif
    case SYS_ppoll:
        return precise(call, true);
    case SYS_pselect6:
        return precise(call, false);
    default: /* one of the two numbers that select has */
        return select((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3], (struct timeval *)a[4]);
    }
}

/* A slice of a wait for a set. */
static long slice_of_set(struct call *call, const struct wait *wait, bool fine)
{
    int64_t slice_ns = wait_slice_ns(wait);
    struct timespec slice = {.tv_sec = (time_t)(slice_ns / NS_PER_S), .tv_nsec = (long)(slice_ns % NS_PER_S)};
    call->a[3] = !fine ? wait_slice_ms(wait) : slice_ns < 0 ? 0 : (long)&slice;
    long result = syscall_make(call);
    return wait_epoll_filter(wait, (int)call->a[0], (struct epoll_event *)call->a[1], (int)result);
}

/* What is parked is in no set; a failure that is followed by another attempt is taken back. */
static long wait_for_set(struct call *call)
{
    struct wait wait;
    struct timespec time;
    long result;
    bool fine = call->number != SYS_epoll_pwait;
    int epfd = (int)call->a[0], timeout_ms = (int)call->a[3];
    int64_t timeout_ns = timeout_ms < 0 ? -1 : timeout_ms * NS_PER_MS;
#ifdef SYS_epoll_wait
    fine = fine && call->number != SYS_epoll_wait;
#endif
    park_wait_enter(epfd);
    if (!wait_watching_set(-1) || (fine && !read_time(call, 3, &time, &timeout_ns)) || !wait_watching_set(timeout_ns))
        return sleeper_filter((struct epoll_event *)call->a[1], (int)syscall_make(call));
    wait_start(&wait, timeout_ns);
    park_wait_begin(epfd);
    do
        result = slice_of_set(call, &wait, fine);
    while (result == 0 && wait_again(&wait));
    park_wait_end();
    return result;
}

static bool is_set_wait(long number)
{
#ifdef SYS_epoll_wait
    if (number == SYS_epoll_wait)
        return true;
#endif
#if defined(SYS_epoll_pwait2) && !defined(__i386__) /* there its time has 64 bits */
    if (number == SYS_epoll_pwait2)
        return true;
#endif
    return number == SYS_epoll_pwait;
}

long syscall_wait(struct call *call)
{
    int state;
    if (is_set_wait(call->number))
        return wait_for_set(call);
    if (!wait_watching())
        return syscall_make(call);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* libc's functions are cancellation points */
    long result = by_hook(call);
    pthread_setcancelstate(state, NULL);
    return result;
}
