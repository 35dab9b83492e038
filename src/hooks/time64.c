/* SPDX-License-Identifier: MIT
 * The names that 32-bit programs with a 64-bit time_t use. What carries no time is the plain call under another name;
 * the waits convert their times and are the plain hooks. */
#include "hooks/hook.h"

#ifdef __i386__
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "conn/kernel.h"
#include "conn/wait.h"
#include "hooks/input.h"

HOOK int __getsockopt64(int fd, int level, int name, void *value, socklen_t *length)
{
    return conn_of(fd) ? getsockopt(fd, level, name, value, length)
                       : real.__getsockopt64(fd, level, name, value, length);
}

HOOK int __setsockopt64(int fd, int level, int name, const void *value, socklen_t length)
{
    return setsockopt(fd, level, name, value, length);
}

HOOK ssize_t __recvmsg64(int fd, struct msghdr *message, int flags)
{
    return conn_of(fd) ? recvmsg(fd, message, flags) : real.__recvmsg64(fd, message, flags);
}

HOOK ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags)
{
    return conn_of(fd) || (flags & MSG_FASTOPEN) ? sendmsg(fd, message, flags) : real.__sendmsg64(fd, message, flags);
}

HOOK int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return conn_of(fd) ? sendmmsg(fd, messages, count, flags) : real.__sendmmsg64(fd, messages, count, flags);
}

/* Seconds that the narrow time_t cannot hold are as good as for ever (68 years). */
static struct timespec narrow(const struct timespec64 *time)
{
    int64_t seconds = time->tv_sec > LONG_MAX ? LONG_MAX : time->tv_sec < -1 ? -1 : time->tv_sec;
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = time->tv_nsec};
}

HOOK int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec64 *timeout)
{
    return conn_of(fd) ? input_recvmmsg(fd, messages, count, flags, timeout, true)
                       : real.__recvmmsg64(fd, messages, count, flags, timeout);
}

HOOK int __ppoll64(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask)
{
    if (!wait_watching() || (timeout && !kernel_readable(timeout, sizeof *timeout)))
        return real.__ppoll64(fds, count, timeout, mask);
    struct timespec plain = timeout ? narrow(timeout) : (struct timespec){0};
    return ppoll(fds, count, timeout ? &plain : NULL, mask);
}

HOOK int __pselect64(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec64 *timeout,
                     const sigset_t *mask)
{
    if (!wait_watching() || (timeout && !kernel_readable(timeout, sizeof *timeout)))
        return real.__pselect64(count, in, out, except, timeout, mask);
    struct timespec plain = timeout ? narrow(timeout) : (struct timespec){0};
    return pselect(count, in, out, except, timeout ? &plain : NULL, mask);
}

HOOK int __select64(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval64 *timeout)
{
    struct timeval plain = {0};
    if (!wait_watching() || (timeout && (!kernel_readable(timeout, sizeof *timeout) || timeout->tv_sec < 0 ||
                                         timeout->tv_usec < 0 || timeout->tv_usec > LONG_MAX)))
        return real.__select64(count, in, out, except, timeout);
    if (timeout)
        plain = (struct timeval){.tv_sec = timeout->tv_sec > LONG_MAX / 2 ? LONG_MAX / 2 : (time_t)timeout->tv_sec,
                                 .tv_usec = (suseconds_t)timeout->tv_usec};
    int result = select(count, in, out, except, timeout ? &plain : NULL);
    if (timeout) {
        timeout->tv_sec = plain.tv_sec;
        timeout->tv_usec = plain.tv_usec;
    }
    return result;
}

HOOK int __epoll_pwait2_time64(int epfd, struct epoll_event *events, int count, const struct timespec64 *timeout,
                               const sigset_t *mask)
{
    if (!wait_watching_set(-1) || (timeout && !kernel_readable(timeout, sizeof *timeout)))
        return real.__epoll_pwait2_time64(epfd, events, count, timeout, mask);
    struct timespec plain = timeout ? narrow(timeout) : (struct timespec){0};
    return epoll_pwait2(epfd, events, count, timeout ? &plain : NULL, mask);
}

HOOK int __fcntl_time64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    return conn_of(fd) ? fcntl64(fd, command, argument) : real.__fcntl_time64(fd, command, argument);
}

HOOK int __ioctl_time64(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    long argument = va_arg(args, long);
    va_end(args);
    return conn_of(fd) ? ioctl(fd, request, argument) : real.__ioctl_time64(fd, request, argument);
}
#endif
