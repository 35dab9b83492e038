/* SPDX-License-Identifier: MIT
 * poll and select: see conn/wait.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "conn/park.h"
#include "conn/exchange.h"
#include "conn/kernel.h"
#include "conn/pending.h"
#include "conn/wait.h"
#include "hooks/hook.h"
#include "real/raw.h"

/* On the stack, which may be small. */
enum { POLL_COPY = 64, SELECT_COPY = FD_SETSIZE, LONG_BITS = 8 * sizeof(unsigned long), PAGE_BYTES = 4096 };

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* One slice. precise: the application called ppoll. */
static int poll_slice(struct pollfd *fds, nfds_t count, const struct wait *wait, bool precise, const sigset_t *mask)
{
    int64_t slice_ns = wait_slice_ns(wait);
    struct timespec slice = timespec_of(slice_ns);
    if (precise)
        return real.ppoll(fds, count, slice_ns < 0 ? NULL : &slice, mask);
    return real.poll(fds, count, wait_slice_ms(wait));
}

/* Without the parked descriptors: the kernel gets a copy, made anew for each slice. */
static SLOW int poll_masked(struct pollfd *fds, nfds_t count, const struct wait *wait, bool precise,
                            const sigset_t *mask)
{
    struct pollfd few[POLL_COPY];
    size_t bytes = count * sizeof *fds;
    struct pollfd *copy =
        count <= POLL_COPY ? few : raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!copy)
        return poll_slice(fds, count, wait, precise, mask);
    wait_poll_mask(copy, fds, count);
    int result = poll_slice(copy, count, wait, precise, mask);
    for (nfds_t i = 0; result >= 0 && i < count; i++)
        fds[i].revents = copy[i].revents;
    if (copy != few)
        raw_munmap(copy, bytes);
    return result;
}

/* The array is read only when some record wants to know what is waited for, and only after the kernel accepted it: a
 * bad one is the kernel's to refuse. */
static SLOW int poll_watched(struct pollfd *fds, nfds_t count, struct wait *wait, bool precise, const sigset_t *mask)
{
    bool accepted = false;
    int result;
    do {
        bool parked = false;
        if (wait_curious()) {
            result = accepted ? 0 : real.poll(fds, count, 0);
            if (result < 0)
                return result;
            accepted = true;
            parked = wait_poll_needs_copy(fds, count);
            result = wait_poll_filter(fds, count, result);
            if (result > 0 && !parked)
                return result;
        }
        result = parked ? poll_masked(fds, count, wait, precise, mask) : poll_slice(fds, count, wait, precise, mask);
        result = wait_poll_filter(fds, count, result);
    } while (result == 0 && wait_again(wait));
    return result;
}

static SLOW int watched_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct wait wait;
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    return poll_watched(fds, count, &wait, false, NULL);
}

HOOK int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return wait_watching() ? watched_poll(fds, count, timeout) : real.poll(fds, count, timeout);
}

HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct wait wait;
    int64_t timeout_ns;
    if (!wait_watching() || !wait_ns(timeout, &timeout_ns))
        return real.ppoll(fds, count, timeout, mask);
    wait_start(&wait, timeout_ns);
    return poll_watched(fds, count, &wait, true, mask);
}

HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    return count <= room / sizeof *fds ? poll(fds, count, timeout) : real.__poll_chk(fds, count, timeout, room);
}

HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                     size_t room)
{
    return count <= room / sizeof *fds ? ppoll(fds, count, timeout, mask)
                                       : real.__ppoll_chk(fds, count, timeout, mask, room);
}

/* The three sets of a select, as the application gave them: the kernel overwrites its own at each slice. They may be
 * larger than an fd_set, and smaller than `count` says: the kernel looks at no more than the process has descriptors.
 */
struct sets {
    unsigned long *given[3]; /* by the application */
    unsigned long *out[3];   /* where the kernel writes: given, or a copy of one that was given twice */
    size_t longs;
    int count;
    unsigned long *saved[5]; /* in few, or pages of their own: a call that is left by a jump leaves them behind */
    unsigned long few[5][SELECT_COPY / LONG_BITS];
};

static bool is_set(const unsigned long *set, int fd)
{
    return set && (set[(unsigned)fd / LONG_BITS] >> ((unsigned)fd % LONG_BITS) & 1);
}

static void clear(unsigned long *set, int fd)
{
    if (set)
        set[(unsigned)fd / LONG_BITS] &= ~(1ul << ((unsigned)fd % LONG_BITS));
}

static bool readable(const unsigned long *set, size_t bytes)
{
    const char *first = (const char *)set;
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        if (!kernel_readable(first + at, (unsigned)(bytes - at < PAGE_BYTES ? bytes - at : PAGE_BYTES)))
            return false;
    return true;
}

static void discard(struct sets *sets)
{
    for (int i = 0; i < 5; i++)
        if (sets->saved[i] && sets->saved[i] != sets->few[i])
            raw_munmap(sets->saved[i], sets->longs * sizeof(unsigned long));
}

/* saved[at], a copy of a set. NULL without memory. */
static unsigned long *keep(struct sets *sets, int at, const unsigned long *set)
{
    size_t bytes = sets->longs * sizeof *set;
    sets->saved[at] = sets->count <= SELECT_COPY
                          ? sets->few[at]
                          : raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sets->saved[at] ? memcpy(sets->saved[at], set, bytes) : NULL;
}

/* One set that the application passes as two (perl's IO::Socket::IP does): the kernel would write the second result
 * over the first, and nobody could tell what happened. */
static bool separate(struct sets *sets, int i)
{
    bool twice = (i > 0 && sets->given[i] == sets->given[0]) || (i > 1 && sets->given[i] == sets->given[1]);
    sets->out[i] = twice ? keep(sets, i + 2, sets->given[i]) : sets->given[i];
    return sets->out[i] != NULL;
}

/* False when the kernel is to have the call as it is: bad memory, or less of it than `count` says. */
static bool save(struct sets *sets, int count, fd_set *in, fd_set *out, fd_set *except)
{
    fd_set *given[3] = {in, out, except};
    sets->count = count;
    sets->longs = ((size_t)count + LONG_BITS - 1) / LONG_BITS;
    for (int i = 0; i < 3; i++) {
        sets->given[i] = (unsigned long *)given[i];
        sets->out[i] = NULL;
    }
    for (int i = 0; i < 5; i++)
        sets->saved[i] = NULL;
    for (int i = 0; i < 3; i++) {
        if (!sets->given[i])
            continue;
        if (readable(sets->given[i], sets->longs * sizeof(unsigned long)) && keep(sets, i, sets->given[i]) &&
            separate(sets, i))
            continue;
        discard(sets);
        return false;
    }
    return true;
}

/* In the kernel's order. */
static void hand_out(const struct sets *sets)
{
    for (int i = 0; i < 3; i++)
        if (sets->out[i] != sets->given[i])
            memcpy(sets->given[i], sets->out[i], sets->longs * sizeof(unsigned long));
}

static void mask_parked(struct sets *sets)
{
    for (int fd = conn_next_tracked(0, (unsigned)sets->count - 1); fd >= 0 && fd < sets->count;
         fd = conn_next_tracked((unsigned)fd + 1, (unsigned)sets->count - 1)) {
        struct conn *conn = conn_of(fd);
        if (!conn)
            continue;
        if (is_set(sets->out[0], fd))
            exchange_listen(conn);
        for (int i = 0; i < 3 && park_holds(conn); i++)
            if (is_set(sets->out[i], fd))
                clear(sets->out[i], fd);
    }
}

/* Takes back the events of connects that failed and go on; returns how many bits are left. */
static int filter(struct sets *sets, int result)
{
    if (result <= 0 || atomic_load_explicit(&pending_calls, memory_order_relaxed) == 0)
        return result;
    for (int fd = conn_next_tracked(0, (unsigned)sets->count - 1); fd >= 0 && fd < sets->count;
         fd = conn_next_tracked((unsigned)fd + 1, (unsigned)sets->count - 1)) {
        int bits = 0;
        struct conn *conn = conn_of(fd);
        for (int i = 0; i < 3; i++)
            bits += is_set(sets->out[i], fd);
        if (!bits || !conn || !pending_failed(conn, fd))
            continue;
        for (int i = 0; i < 3; i++)
            clear(sets->out[i], fd);
        result -= bits;
    }
    return result;
}

/* Only what the kernel changed: behind what it looks at lies somebody else's memory. */
static void restore(struct sets *sets)
{
    for (int i = 0; i < 3; i++)
        for (size_t at = 0; sets->out[i] && at < sets->longs; at++)
            if (sets->out[i][at] != sets->saved[i][at])
                sets->out[i][at] = sets->saved[i][at];
}

/* One slice; use_mask: pselect. */
static int select_slice(const struct sets *sets, const struct wait *wait, bool use_mask, const sigset_t *mask)
{
    fd_set *out[3] = {(fd_set *)sets->out[0], (fd_set *)sets->out[1], (fd_set *)sets->out[2]};
    int64_t slice_ns = wait_slice_ns(wait);
    struct timespec slice = timespec_of(slice_ns);
    int64_t slice_us = (slice_ns + NS_PER_US - 1) / NS_PER_US;
    struct timeval coarse = {.tv_sec = (time_t)(slice_us / 1000000), .tv_usec = (suseconds_t)(slice_us % 1000000)};
    if (use_mask)
        return real.pselect(sets->count, out[0], out[1], out[2], slice_ns < 0 ? NULL : &slice, mask);
    return real.select(sets->count, out[0], out[1], out[2], slice_ns < 0 ? NULL : &coarse);
}

static int select_in_slices(struct sets *sets, struct wait *wait, bool use_mask, const sigset_t *mask)
{
    if (wait_curious())
        mask_parked(sets);
    int result = filter(sets, select_slice(sets, wait, use_mask, mask));
    while (result == 0 && wait_again(wait)) {
        restore(sets);
        if (wait_curious())
            mask_parked(sets);
        result = filter(sets, select_slice(sets, wait, use_mask, mask));
    }
    if (result >= 0)
        hand_out(sets);
    discard(sets);
    return result;
}

/* Linux writes back what is left of the time. */
static void write_back(struct timeval *timeout, const struct wait *wait)
{
    uint64_t now_ns = clock_now_ns();
    int64_t left_ns = wait->end_ns > now_ns ? (int64_t)(wait->end_ns - now_ns) : 0;
    timeout->tv_sec = (time_t)(left_ns / NS_PER_S);
    timeout->tv_usec = (suseconds_t)(left_ns % NS_PER_S / NS_PER_US);
}

static SLOW int watched_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout,
                               int64_t timeout_ns)
{
    struct wait wait;
    struct sets sets;
    wait_start(&wait, timeout_ns);
    if (!save(&sets, count, in, out, except))
        return real.select(count, in, out, except, timeout);
    int result = select_in_slices(&sets, &wait, false, NULL);
    int saved = errno;
    if (timeout)
        write_back(timeout, &wait);
    errno = saved;
    return result;
}

HOOK int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    int64_t timeout_ns = -1;
    if (!wait_watching() || count <= 0 || (timeout && !kernel_readable(timeout, (unsigned)sizeof *timeout)))
        return real.select(count, in, out, except, timeout);
    if (timeout) {
        /* libc accepts microseconds of more than a second. */
        struct timespec time = {timeout->tv_sec + timeout->tv_usec / 1000000, timeout->tv_usec % 1000000 * 1000};
        if (timeout->tv_sec < 0 || timeout->tv_usec < 0 || !wait_ns(&time, &timeout_ns))
            return real.select(count, in, out, except, timeout);
    }
    return watched_select(count, in, out, except, timeout, timeout_ns);
}

static SLOW int watched_pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                                const sigset_t *mask, int64_t timeout_ns)
{
    struct wait wait;
    struct sets sets;
    wait_start(&wait, timeout_ns);
    if (!save(&sets, count, in, out, except))
        return real.pselect(count, in, out, except, timeout, mask);
    return select_in_slices(&sets, &wait, true, mask);
}

HOOK int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                 const sigset_t *mask)
{
    int64_t timeout_ns;
    if (!wait_watching() || count <= 0 || (timeout && !kernel_readable(timeout, (unsigned)sizeof *timeout)) ||
        !wait_ns(timeout, &timeout_ns))
        return real.pselect(count, in, out, except, timeout, mask);
    return watched_pselect(count, in, out, except, timeout, mask, timeout_ns);
}

ALIAS(__poll, poll);
ALIAS(__select, select);
