/* SPDX-License-Identifier: MIT
 * Early forms of the names that 32-bit programs with a 64-bit time_t use. */
#include "real/early.h"

#ifdef __i386__
#include <errno.h>
#include <stdarg.h>

#include "real/raw.h"

enum { KERNEL_SIGSET_BYTES = 8 };

static long finish(long result)
{
    if ((unsigned long)result < (unsigned long)-4095L)
        return result;
    errno = (int)-result;
    return -1;
}

#define CALL(number, a, b, c, d, e, f)                                                                                 \
    finish(raw_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

int early___getsockopt64(int fd, int level, int name, void *value, socklen_t *length)
{
    return early_getsockopt(fd, level, name, value, length);
}

int early___setsockopt64(int fd, int level, int name, const void *value, socklen_t length)
{
    return early_setsockopt(fd, level, name, value, length);
}

ssize_t early___recvmsg64(int fd, struct msghdr *message, int flags)
{
    return early_recvmsg(fd, message, flags);
}

ssize_t early___sendmsg64(int fd, const struct msghdr *message, int flags)
{
    return early_sendmsg(fd, message, flags);
}

int early___sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return early_sendmmsg(fd, messages, count, flags);
}

int early___recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec64 *timeout)
{
    return (int)CALL(SYS_recvmmsg_time64, fd, messages, count, flags, timeout, 0);
}

int early___ppoll64(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask)
{
    struct timespec64 copy; /* the kernel writes the rest into it */
    if (timeout)
        copy = *timeout;
    return (int)CALL(SYS_ppoll_time64, fds, count, timeout ? &copy : NULL, mask, KERNEL_SIGSET_BYTES, 0);
}

int early___pselect64(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec64 *timeout,
                      const sigset_t *mask)
{
    struct timespec64 copy;
    struct {
        const sigset_t *mask;
        size_t bytes;
    } packed = {mask, KERNEL_SIGSET_BYTES};
    if (timeout)
        copy = *timeout;
    return (int)CALL(SYS_pselect6_time64, count, in, out, except, timeout ? &copy : NULL, mask ? &packed : NULL);
}

int early___select64(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval64 *timeout)
{
    if (!timeout)
        return early___pselect64(count, in, out, except, NULL, NULL);
    struct timespec64 rest = {timeout->tv_sec, (int32_t)timeout->tv_usec * 1000, 0};
    int result = (int)CALL(SYS_pselect6_time64, count, in, out, except, &rest, 0);
    timeout->tv_sec = rest.tv_sec;
    timeout->tv_usec = rest.tv_nsec / 1000;
    return result;
}

int early___epoll_pwait2_time64(int epfd, struct epoll_event *events, int count, const struct timespec64 *timeout,
                                const sigset_t *mask)
{
    return (int)CALL(SYS_epoll_pwait2, epfd, events, count, timeout, mask, KERNEL_SIGSET_BYTES);
}

int early___fcntl_time64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    return early_fcntl(fd, command, argument);
}

int early___ioctl_time64(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    long argument = va_arg(args, long);
    va_end(args);
    return early_ioctl(fd, request, argument);
}
#endif
