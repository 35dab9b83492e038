/* SPDX-License-Identifier: MIT
 * poll and select: see conn/wait.h. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "conn/park.h"
#include "conn/exchange.h"
#include "conn/wait.h"
#include "hooks/hook.h"

enum { POLL_COPY = 1024, SELECT_BYTES = 8192 };

static int64_t ns_of(const struct timespec *time)
{
    return time ? (int64_t)time->tv_sec * NS_PER_S + time->tv_nsec : -1;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* A descriptor that leaves its parking while we wait must be seen: the copy is made anew for each slice. */
static int poll_parked(struct pollfd *fds, nfds_t count, struct wait *wait, const sigset_t *mask)
{
    struct pollfd copy[POLL_COPY];
    int result;
    do {
        int64_t slice_ns = wait_slice_ns(wait);
        struct timespec slice = timespec_of(slice_ns);
        wait_poll_mask(copy, fds, count);
        result = real.ppoll(copy, count, slice_ns < 0 ? NULL : &slice, mask);
    } while (result == 0 && wait_again(wait));
    for (nfds_t i = 0; result >= 0 && i < count; i++)
        fds[i].revents = copy[i].revents;
    return result;
}

HOOK int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct wait wait;
    int result;
    if (!wait_watching())
        return real.poll(fds, count, timeout);
    wait_start(&wait, timeout < 0 ? -1 : timeout * NS_PER_MS);
    if (wait_poll_needs_copy(fds, count) && count <= POLL_COPY)
        return poll_parked(fds, count, &wait, NULL);
    do
        result = real.poll(fds, count, wait_slice_ms(&wait));
    while (result == 0 && wait_again(&wait));
    return result;
}

HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;
    if (!wait_watching())
        return real.ppoll(fds, count, timeout, mask);
    wait_start(&wait, ns_of(timeout));
    if (wait_poll_needs_copy(fds, count) && count <= POLL_COPY)
        return poll_parked(fds, count, &wait, mask);
    do {
        int64_t slice_ns = wait_slice_ns(&wait);
        struct timespec slice = timespec_of(slice_ns);
        result = real.ppoll(fds, count, slice_ns < 0 ? NULL : &slice, mask);
    } while (result == 0 && wait_again(&wait));
    return result;
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

/* The three sets of a select, as the application gave them: the kernel overwrites its own at each slice. */
struct sets {
    fd_set *out[3];
    size_t bytes;
    int count;
    unsigned long saved[3][SELECT_BYTES / sizeof(unsigned long)];
};

static void save(struct sets *sets, int count, fd_set *in, fd_set *out, fd_set *except)
{
    enum { LONG_BITS = 8 * sizeof(unsigned long) };
    sets->out[0] = in;
    sets->out[1] = out;
    sets->out[2] = except;
    sets->count = count;
    sets->bytes = ((size_t)count + LONG_BITS - 1) / LONG_BITS * sizeof(unsigned long);
    for (int i = 0; i < 3; i++)
        if (sets->out[i])
            memcpy(sets->saved[i], sets->out[i], sets->bytes);
}

static void mask_parked(struct sets *sets)
{
    for (int fd = conn_next_tracked(0, (unsigned)sets->count - 1); fd >= 0 && fd < sets->count;
         fd = conn_next_tracked((unsigned)fd + 1, (unsigned)sets->count - 1)) {
        struct conn *conn = conn_of(fd);
        if (!conn)
            continue;
        if (sets->out[0] && FD_ISSET(fd, sets->out[0]))
            exchange_listen(conn);
        for (int i = 0; i < 3 && park_holds(conn); i++)
            if (sets->out[i])
                ((unsigned char *)sets->out[i])[fd / 8] &= (unsigned char)~(1u << (unsigned)fd % 8u);
    }
}

static void restore(struct sets *sets)
{
    for (int i = 0; i < 3; i++)
        if (sets->out[i])
            memcpy(sets->out[i], sets->saved[i], sets->bytes);
}

static bool slices_fit(int count)
{
    return count > 0 && (size_t)count <= (size_t)SELECT_BYTES * 8;
}

/* One slice; use_mask: pselect. */
static int select_slice(const struct sets *sets, const struct wait *wait, bool use_mask, const sigset_t *mask)
{
    int64_t slice_ns = wait_slice_ns(wait);
    struct timespec slice = timespec_of(slice_ns);
    struct timeval coarse = {.tv_sec = slice.tv_sec, .tv_usec = (suseconds_t)((slice.tv_nsec + 999) / 1000)};
    if (coarse.tv_usec >= 1000000) {
        coarse.tv_sec++;
        coarse.tv_usec -= 1000000;
    }
    if (use_mask)
        return real.pselect(sets->count, sets->out[0], sets->out[1], sets->out[2], slice_ns < 0 ? NULL : &slice, mask);
    return real.select(sets->count, sets->out[0], sets->out[1], sets->out[2], slice_ns < 0 ? NULL : &coarse);
}

static int select_in_slices(struct sets *sets, struct wait *wait, bool use_mask, const sigset_t *mask)
{
    mask_parked(sets);
    int result = select_slice(sets, wait, use_mask, mask);
    while (result == 0 && wait_again(wait)) {
        restore(sets);
        mask_parked(sets);
        result = select_slice(sets, wait, use_mask, mask);
    }
    return result;
}

HOOK int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct wait wait;
    struct sets sets;
    if (!wait_watching() || !slices_fit(count) ||
        (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)))
        return real.select(count, in, out, except, timeout);
    wait_start(&wait, timeout ? timeout->tv_sec * NS_PER_S + timeout->tv_usec * NS_PER_US : -1);
    save(&sets, count, in, out, except);
    int result = select_in_slices(&sets, &wait, false, NULL);
    if (timeout) { /* Linux writes back what is left */
        uint64_t now_ns = clock_now_ns();
        int64_t left_ns = wait.end_ns > now_ns ? (int64_t)(wait.end_ns - now_ns) : 0;
        timeout->tv_sec = (time_t)(left_ns / NS_PER_S);
        timeout->tv_usec = (suseconds_t)(left_ns % NS_PER_S / NS_PER_US);
    }
    return result;
}

HOOK int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                 const sigset_t *mask)
{
    struct wait wait;
    struct sets sets;
    if (!wait_watching() || !slices_fit(count) ||
        (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S)))
        return real.pselect(count, in, out, except, timeout, mask);
    wait_start(&wait, ns_of(timeout));
    save(&sets, count, in, out, except);
    return select_in_slices(&sets, &wait, true, mask);
}
