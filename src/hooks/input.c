/* SPDX-License-Identifier: MIT
 * Receives. */
#include <errno.h>

#include "conn/kernel.h"
#include "conn/shape.h"
#include "conn/transfer.h"
#include "hooks/hook.h"
#include "hooks/input.h"

/* Receives that are not of the connection's stream. */
static bool off_stream(int flags)
{
    return (flags & (MSG_ERRQUEUE | MSG_OOB)) != 0;
}

/* Where the bytes of a call can be seen: MSG_TRUNC takes them from a TCP stream without writing them anywhere. */
static void *seen(void *where, int flags)
{
    return flags & MSG_TRUNC ? NULL : where;
}

bool input_wants_bytes(const struct iovec *iov, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (iov[i].iov_len)
            return true;
    return false;
}

/* MSG_WAITALL: our own receive timeout may have cut the call short. It goes on with the rest; an error that comes
 * then belongs to the next call, as the kernel would have kept it. */
static ssize_t complete(struct transfer *transfer, char *buf, size_t bytes, int flags, ssize_t got)
{
    while (got > 0 && (size_t)got < bytes && block_cut_short(&transfer->block)) {
        struct conn *conn = transfer->conn;
        int saved = errno;
        if (!transfer_read_begin(transfer, conn, transfer->fd, false))
            return errno = saved, got;
        ssize_t more;
        do
            more = real.recv(transfer->fd, buf + got, bytes - (size_t)got, flags);
        while (transfer_read_again(transfer, &more, bytes));
        transfer_show_buffer(transfer, buf + got, more);
        if (more <= 0) {
            if (more < 0)
                conn_keep_error(conn, errno);
            errno = saved;
            return got;
        }
        got += more;
    }
    return got;
}

/* Before a receive: -1 with an error that was kept for it, 1 when chaos strikes the connection, else 0. */
static inline int unusual(struct conn *conn)
{
    if (__builtin_expect(atomic_load_explicit(&conn->unusual, memory_order_relaxed) == 0, 1))
        return 0;
    int error = conn_kept_error(conn);
    if (error)
        errno = error;
    return error ? -1 : conn_is_struck(conn);
}

/* A stream has no sender's address to tell. */
static SLOW ssize_t shaped(struct conn *conn, int fd, void *buf, size_t bytes, int flags, struct sockaddr *from,
                           socklen_t *length)
{
    if (from && (!length || !kernel_int_writable(fd, length)))
        return real.recvfrom(fd, buf, bytes, flags, from, length);
    ssize_t result = shape_receive_buffer(conn, fd, buf, bytes, flags);
    if (result >= 0 && from)
        *length = 0;
    return result;
}

/* plain: recv(), which another preload behind us may stand before. */
static SLOW ssize_t receive(uint32_t number, int fd, void *buf, size_t bytes, int flags, struct sockaddr *from,
                            socklen_t *length, bool plain)
{
    struct conn *conn = conn_named(number);
    struct transfer transfer;
    ssize_t result;
    if (!conn || off_stream(flags))
        return plain ? real.recv(fd, buf, bytes, flags) : real.recvfrom(fd, buf, bytes, flags, from, length);
    int first = unusual(conn);
    if (first != 0)
        return first < 0 ? -1 : shaped(conn, fd, buf, bytes, flags, from, length);
    if (!transfer_read_begin(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    transfer.peek = (flags & MSG_PEEK) != 0;
    transfer.buffer = seen(buf, flags);
    do
        result = plain ? real.recv(fd, buf, bytes, flags) : real.recvfrom(fd, buf, bytes, flags, from, length);
    while (transfer_read_again(&transfer, &result, bytes));
    transfer_show_buffer(&transfer, seen(buf, flags), result);
    return flags & MSG_WAITALL && !transfer.peek ? complete(&transfer, buf, bytes, flags, result) : result;
}

HOOK ssize_t recv(int fd, void *buf, size_t bytes, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? receive(number, fd, buf, bytes, flags, NULL, NULL, true) : real.recv(fd, buf, bytes, flags);
}

HOOK ssize_t recvfrom(int fd, void *buf, size_t bytes, int flags, struct sockaddr *from, socklen_t *length)
{
    uint32_t number = conn_number(fd);
    return number ? receive(number, fd, buf, bytes, flags, from, length, false)
                  : real.recvfrom(fd, buf, bytes, flags, from, length);
}

static SLOW ssize_t tracked_read(uint32_t number, int fd, void *buf, size_t bytes)
{
    struct conn *conn = conn_named(number);
    struct transfer transfer;
    ssize_t result;
    if (!conn)
        return real.read(fd, buf, bytes);
    int first = unusual(conn);
    if (first != 0)
        return first < 0 ? -1 : shape_receive_buffer(conn, fd, buf, bytes, 0);
    if (!transfer_read_begin(&transfer, conn, fd, false))
        return -1;
    transfer.buffer = buf;
    do
        result = real.read(fd, buf, bytes);
    while (transfer_read_again(&transfer, &result, bytes));
    transfer_show_buffer(&transfer, buf, result);
    return result;
}

HOOK ssize_t read(int fd, void *buf, size_t bytes)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_read(number, fd, buf, bytes) : real.read(fd, buf, bytes);
}

static SLOW ssize_t shaped_vector(struct conn *conn, int fd, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    return count < 0 || count > UIO_MAXIOV ? real.readv(fd, iov, count) : shape_receive(conn, fd, &message, 0);
}

static SLOW ssize_t tracked_readv(uint32_t number, int fd, const struct iovec *iov, int count)
{
    struct conn *conn = conn_named(number);
    struct transfer transfer;
    ssize_t result;
    if (!conn)
        return real.readv(fd, iov, count);
    int first = unusual(conn);
    if (first != 0)
        return first < 0 ? -1 : shaped_vector(conn, fd, iov, count);
    if (!transfer_read_begin(&transfer, conn, fd, false))
        return -1;
    do
        result = real.readv(fd, iov, count);
    while (transfer_read_again(&transfer, &result, result == 0 && input_wants_bytes(iov, (size_t)count)));
    transfer_show_vector(&transfer, iov, (size_t)count, result);
    return result;
}

HOOK ssize_t readv(int fd, const struct iovec *iov, int count)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_readv(number, fd, iov, count) : real.readv(fd, iov, count);
}

static SLOW ssize_t tracked_recvmsg(uint32_t number, int fd, struct msghdr *message, int flags)
{
    struct conn *conn = conn_named(number);
    struct transfer transfer;
    ssize_t result;
    if (!conn || off_stream(flags))
        return real.recvmsg(fd, message, flags);
    int first = unusual(conn);
    if (first != 0)
        return first < 0 ? -1 : shape_receive(conn, fd, message, flags);
    if (!transfer_read_begin(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    transfer.peek = (flags & MSG_PEEK) != 0;
    if (flags & MSG_WAITALL)
        block_read_unbounded(conn, fd, &transfer.block);
    do
        result = real.recvmsg(fd, message, flags);
    while (transfer_read_again(&transfer, &result,
                               result == 0 && input_wants_bytes(message->msg_iov, message->msg_iovlen)));
    if (result > 0)
        transfer_show_vector(&transfer, seen(message->msg_iov, flags), message->msg_iovlen, result);
    return result;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_recvmsg(number, fd, message, flags) : real.recvmsg(fd, message, flags);
}

/* wide: the timeout is one of 64 bits in a program of 32. */
static int real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout, bool wide)
{
#ifdef __i386__
    if (wide)
        return real.__recvmmsg64(fd, messages, count, flags, timeout);
#endif
    (void)wide;
    return real.recvmmsg(fd, messages, count, flags, timeout);
}

/* What the messages carried; their number is the call's own result. */
int input_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout, bool wide)
{
    struct conn *conn = conn_of(fd);
    struct transfer transfer;
    int result;
    ssize_t bytes;
    if (!conn || off_stream(flags))
        return real_recvmmsg(fd, messages, count, flags, timeout, wide);
    if (unusual(conn) < 0 || !transfer_read_begin(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    if (conn_is_struck(conn) && !shape_enter(conn, fd, FLOW_IN, (flags & MSG_DONTWAIT) != 0, NULL, &bytes))
        return (int)bytes;
    transfer.peek = (flags & MSG_PEEK) != 0;
    do {
        result = real_recvmmsg(fd, messages, count, flags, timeout, wide);
        bytes = result < 0 ? -1 : 0;
        for (int i = 0; i < result; i++)
            bytes += (ssize_t)messages[i].msg_len;
    } while (transfer_read_again(&transfer, &bytes, result > 0 && bytes == 0));
    for (int i = 0; bytes > 0 && i < result; i++)
        transfer_show_vector(&transfer, seen(messages[i].msg_hdr.msg_iov, flags), messages[i].msg_hdr.msg_iovlen,
                             (ssize_t)messages[i].msg_len);
    if (conn_is_struck(conn) && !transfer.peek)
        shape_leave(conn, fd, FLOW_IN, (flags & MSG_DONTWAIT) != 0, bytes);
    return bytes < 0 ? -1 : result;
}

HOOK int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    return conn_of(fd) ? input_recvmmsg(fd, messages, count, flags, timeout, false)
                       : real.recvmmsg(fd, messages, count, flags, timeout);
}

/* The fortified forms: an overflow is libc's to report. */
HOOK ssize_t __read_chk(int fd, void *buf, size_t bytes, size_t room)
{
    return conn_of(fd) && bytes <= room ? read(fd, buf, bytes) : real.__read_chk(fd, buf, bytes, room);
}

HOOK ssize_t __recv_chk(int fd, void *buf, size_t bytes, size_t room, int flags)
{
    return conn_of(fd) && bytes <= room ? recv(fd, buf, bytes, flags) : real.__recv_chk(fd, buf, bytes, room, flags);
}

HOOK ssize_t __recvfrom_chk(int fd, void *buf, size_t bytes, size_t room, int flags, struct sockaddr *from,
                            socklen_t *length)
{
    return conn_of(fd) && bytes <= room ? recvfrom(fd, buf, bytes, flags, from, length)
                                        : real.__recvfrom_chk(fd, buf, bytes, room, flags, from, length);
}

/* Without an offset (-1) these are reads, and the only ones of their kind that a socket accepts. */
static SLOW ssize_t tracked_preadv(struct conn *conn, int fd, const struct iovec *iov, int count, off64_t offset,
                                   int flags)
{
    struct transfer transfer;
    ssize_t result;
    int first = unusual(conn);
    if (first != 0 && (first < 0 || (offset == -1 && flags == 0)))
        return first < 0 ? -1 : shaped_vector(conn, fd, iov, count);
    if (!transfer_read_begin(&transfer, conn, fd, (flags & RWF_NOWAIT) != 0))
        return -1;
    do
        result = real.preadv64v2(fd, iov, count, offset, flags);
    while (transfer_read_again(&transfer, &result, result == 0 && input_wants_bytes(iov, (size_t)count)));
    transfer_show_vector(&transfer, iov, (size_t)count, result);
    return result;
}

HOOK ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    struct conn *conn = conn_of(fd);
    return conn ? tracked_preadv(conn, fd, iov, count, offset, flags) : real.preadv2(fd, iov, count, offset, flags);
}

HOOK ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    struct conn *conn = conn_of(fd);
    return conn ? tracked_preadv(conn, fd, iov, count, offset, flags) : real.preadv64v2(fd, iov, count, offset, flags);
}

ALIAS(__read, read);
