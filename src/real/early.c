/* SPDX-License-Identifier: MIT
 * Early forms of the hooked functions: see early.h. No bookkeeping, no cancellation points, no locks. */
#include "real/early.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "real/dynamic.h"
#include "real/raw.h"

static long finish(long result)
{
    if ((unsigned long)result < (unsigned long)-4095L)
        return result;
    errno = (int)-result;
    return -1;
}

#define CALL(number, a, b, c, d, e, f)                                                                                 \
    finish(raw_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

int early_connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    return (int)CALL(SYS_connect, fd, addr, length, 0, 0, 0);
}

int early___connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    return early_connect(fd, addr, length);
}

int early_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    return (int)CALL(SYS_getsockopt, fd, level, name, value, length, 0);
}

int early_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return (int)CALL(SYS_setsockopt, fd, level, name, value, length, 0);
}

int early_getpeername(int fd, struct sockaddr *addr, socklen_t *length)
{
    return (int)CALL(SYS_getpeername, fd, addr, length, 0, 0, 0);
}

ssize_t early_read(int fd, void *buf, size_t bytes)
{
    return CALL(SYS_read, fd, buf, bytes, 0, 0, 0);
}

ssize_t early_readv(int fd, const struct iovec *iov, int count)
{
    return CALL(SYS_readv, fd, iov, count, 0, 0, 0);
}

ssize_t early_recv(int fd, void *buf, size_t bytes, int flags)
{
    return CALL(SYS_recvfrom, fd, buf, bytes, flags, 0, 0);
}

ssize_t early_recvfrom(int fd, void *buf, size_t bytes, int flags, struct sockaddr *from, socklen_t *length)
{
    return CALL(SYS_recvfrom, fd, buf, bytes, flags, from, length);
}

ssize_t early_recvmsg(int fd, struct msghdr *message, int flags)
{
    return CALL(SYS_recvmsg, fd, message, flags, 0, 0, 0);
}

int early_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    return (int)CALL(SYS_recvmmsg, fd, messages, count, flags, timeout, 0);
}

/* The fortified forms exist to stop an overflow: nothing can be reported this early, so the program ends as it
 * would in libc, only without the message. */
static void check_room(size_t bytes, size_t room)
{
    if (bytes > room)
        __builtin_trap();
}

ssize_t early___read_chk(int fd, void *buf, size_t bytes, size_t room)
{
    check_room(bytes, room);
    return early_read(fd, buf, bytes);
}

ssize_t early___recv_chk(int fd, void *buf, size_t bytes, size_t room, int flags)
{
    check_room(bytes, room);
    return early_recv(fd, buf, bytes, flags);
}

ssize_t early___recvfrom_chk(int fd, void *buf, size_t bytes, size_t room, int flags, struct sockaddr *from,
                             socklen_t *length)
{
    check_room(bytes, room);
    return early_recvfrom(fd, buf, bytes, flags, from, length);
}

ssize_t early_write(int fd, const void *buf, size_t bytes)
{
    return CALL(SYS_write, fd, buf, bytes, 0, 0, 0);
}

ssize_t early_writev(int fd, const struct iovec *iov, int count)
{
    return CALL(SYS_writev, fd, iov, count, 0, 0, 0);
}

ssize_t early_send(int fd, const void *buf, size_t bytes, int flags)
{
    return CALL(SYS_sendto, fd, buf, bytes, flags, 0, 0);
}

ssize_t early_sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
    return CALL(SYS_sendto, fd, buf, bytes, flags, to, length);
}

ssize_t early_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return CALL(SYS_sendmsg, fd, message, flags, 0, 0, 0);
}

int early_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return (int)CALL(SYS_sendmmsg, fd, messages, count, flags, 0, 0);
}

ssize_t early_sendfile(int out, int in, off_t *offset, size_t bytes)
{
    return CALL(SYS_sendfile, out, in, offset, bytes, 0, 0);
}

ssize_t early_sendfile64(int out, int in, off64_t *offset, size_t bytes)
{
#ifdef SYS_sendfile64
    return CALL(SYS_sendfile64, out, in, offset, bytes, 0, 0);
#else
    return CALL(SYS_sendfile, out, in, offset, bytes, 0, 0);
#endif
}

ssize_t early_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t bytes, unsigned flags)
{
    return CALL(SYS_splice, in, in_offset, out, out_offset, bytes, flags);
}

/* The kernel takes the offset in two halves of a long; where a long is enough the second one is ignored. */
#define HIGH_HALF(offset) (long)((int64_t)(offset) >> 32)

ssize_t early_preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return CALL(SYS_preadv2, fd, iov, count, offset, HIGH_HALF(offset), flags);
}

ssize_t early_preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return early_preadv64v2(fd, iov, count, offset, flags);
}

ssize_t early_pwritev64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return CALL(SYS_pwritev2, fd, iov, count, offset, HIGH_HALF(offset), flags);
}

ssize_t early_pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return early_pwritev64v2(fd, iov, count, offset, flags);
}

enum { KERNEL_SIGSET_BYTES = 8 };

int early_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec copy; /* the kernel writes the rest into it */
    if (timeout)
        copy = *timeout;
    return (int)CALL(SYS_ppoll, fds, count, timeout ? &copy : NULL, mask, KERNEL_SIGSET_BYTES, 0);
}

int early_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000l};
    return early_ppoll(fds, count, timeout < 0 ? NULL : &limit, NULL);
}

int early___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    check_room(count * sizeof *fds, room);
    return early_poll(fds, count, timeout);
}

int early___ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                      size_t room)
{
    check_room(count * sizeof *fds, room);
    return early_ppoll(fds, count, timeout, mask);
}

static int select_call(int count, fd_set *in, fd_set *out, fd_set *except, struct timespec *timeout,
                       const sigset_t *mask)
{
    struct {
        const sigset_t *mask;
        size_t bytes;
    } packed = {mask, KERNEL_SIGSET_BYTES};
    return (int)CALL(SYS_pselect6, count, in, out, except, timeout, mask ? &packed : NULL);
}

int early_pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                  const sigset_t *mask)
{
    struct timespec copy;
    if (timeout)
        copy = *timeout;
    return select_call(count, in, out, except, timeout ? &copy : NULL, mask);
}

int early_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    if (!timeout)
        return select_call(count, in, out, except, NULL, NULL);
    struct timespec rest = {timeout->tv_sec, timeout->tv_usec * 1000l};
    int result = select_call(count, in, out, except, &rest, NULL);
    timeout->tv_sec = rest.tv_sec;
    timeout->tv_usec = rest.tv_nsec / 1000;
    return result;
}

int early_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
    return (int)CALL(SYS_epoll_ctl, epfd, operation, fd, event, 0, 0);
}

int early_epoll_pwait(int epfd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    return (int)CALL(SYS_epoll_pwait, epfd, events, count, timeout, mask, KERNEL_SIGSET_BYTES);
}

int early_epoll_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
    return early_epoll_pwait(epfd, events, count, timeout, NULL);
}

int early_epoll_pwait2(int epfd, struct epoll_event *events, int count, const struct timespec *timeout,
                       const sigset_t *mask)
{
#ifdef SYS_epoll_pwait2
    struct {
        int64_t seconds, nanoseconds;
    } limit = {0, 0};
    if (timeout) {
        limit.seconds = timeout->tv_sec;
        limit.nanoseconds = timeout->tv_nsec;
    }
    return (int)CALL(SYS_epoll_pwait2, epfd, events, count, timeout ? &limit : NULL, mask, KERNEL_SIGSET_BYTES);
#else
    (void)epfd, (void)events, (void)count, (void)timeout, (void)mask;
    errno = ENOSYS;
    return -1;
#endif
}

int early_close(int fd)
{
    return (int)CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

int early_close_range(unsigned first, unsigned last, int flags)
{
#ifdef SYS_close_range
    return (int)CALL(SYS_close_range, first, last, flags, 0, 0, 0);
#else
    (void)first, (void)last, (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

/* Only where libc has no closefrom, so that nobody can have been linked against it. */
void early_closefrom(int first)
{
    early_close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

int early_shutdown(int fd, int how)
{
    return (int)CALL(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

int early_dup(int fd)
{
    return (int)CALL(SYS_dup, fd, 0, 0, 0, 0, 0);
}

int early_dup3(int from, int to, int flags)
{
    return (int)CALL(SYS_dup3, from, to, flags, 0, 0, 0);
}

int early_dup2(int from, int to)
{
    if (from != to)
        return early_dup3(from, to, 0);
    return raw_fcntl(from, F_GETFD, 0) < 0 ? (int)finish(-EBADF) : to; /* dup3 refuses equal numbers */
}

int early_fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    return (int)finish(raw_fcntl(fd, command, argument));
}

int early_fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    return (int)finish(raw_fcntl(fd, command, argument));
}

int early_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    long argument = va_arg(args, long);
    va_end(args);
    return (int)CALL(SYS_ioctl, fd, request, argument, 0, 0, 0);
}

#define EARLY_ALIAS(name, target) extern __typeof__(early_##name) early_##name __attribute__((alias("early_" #target)))
EARLY_ALIAS(__read, read);
EARLY_ALIAS(__write, write);
EARLY_ALIAS(__send, send);
EARLY_ALIAS(__poll, poll);
EARLY_ALIAS(__select, select);
EARLY_ALIAS(__close, close);
EARLY_ALIAS(__dup2, dup2);
EARLY_ALIAS(__fcntl, fcntl);

/* Not system calls: the next definition, found at the first use. */
#define LATE(type, name, ...)                                                                                          \
    __typeof__(name) *next = NULL;                                                                                     \
    void *found = dlsym(RTLD_NEXT, #name);                                                                             \
    memcpy(&next, &found, sizeof next);                                                                                \
    if (next)                                                                                                          \
        return next(__VA_ARGS__);                                                                                      \
    errno = ENOSYS;                                                                                                    \
    return type

FILE *early_freopen(const char *path, const char *mode, FILE *stream)
{
    LATE(NULL, freopen, path, mode, stream);
}

FILE *early_freopen64(const char *path, const char *mode, FILE *stream)
{
    LATE(NULL, freopen64, path, mode, stream);
}

int early_fclose(FILE *stream)
{
    LATE(EOF, fclose, stream);
}

int early_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    LATE(EAI_SYSTEM, getaddrinfo, node, service, hints, result);
}

struct hostent *early_gethostbyname(const char *name)
{
    LATE(NULL, gethostbyname, name);
}

struct hostent *early_gethostbyname2(const char *name, int family)
{
    LATE(NULL, gethostbyname2, name, family);
}

int early_gethostbyname_r(const char *name, struct hostent *host, char *buf, size_t size, struct hostent **result,
                          int *error)
{
    LATE(ENOSYS, gethostbyname_r, name, host, buf, size, result, error);
}

int early_gethostbyname2_r(const char *name, int family, struct hostent *host, char *buf, size_t size,
                           struct hostent **result, int *error)
{
    LATE(ENOSYS, gethostbyname2_r, name, family, host, buf, size, result, error);
}

int early_getnameinfo(const struct sockaddr *addr, socklen_t length, char *host, socklen_t host_size, char *service,
                      socklen_t service_size, int flags)
{
    LATE(EAI_SYSTEM, getnameinfo, addr, length, host, host_size, service, service_size, flags);
}
