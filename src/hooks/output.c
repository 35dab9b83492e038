/* SPDX-License-Identifier: MIT
 * Sends. A write is never shortened or split: the real call gets exactly the application's arguments, once. */
#include <errno.h>

#include "conn/handover.h"
#include "conn/shape.h"
#include "conn/transfer.h"
#include "hooks/fastopen.h"
#include "hooks/hook.h"

/* The path of a tracked descriptor stands apart, so that an untracked one pays for two loads and no more. */
#define TRACKED(dontwait, shaped_call, call, show)                                                                     \
    struct transfer transfer;                                                                                          \
    struct conn *conn = conn_named(number);                                                                            \
    if (!conn)                                                                                                         \
        return call;                                                                                                   \
    if (!transfer_write_begin(&transfer, conn, fd, dontwait))                                                          \
        return transfer.shaped ? (shaped_call) : -1;                                                                   \
    ssize_t result = call;                                                                                             \
    show;                                                                                                              \
    transfer_write_end(&transfer, result, result > 0 ? (size_t)result : 0);                                            \
    return result

/* A call that is not made of buffers. */
#define ENTER(dontwait, bytes)                                                                                         \
    struct transfer transfer;                                                                                          \
    ssize_t refused;                                                                                                   \
    if (!transfer_write_enter(&transfer, conn, fd, dontwait))                                                          \
        return -1;                                                                                                     \
    if (conn_is_struck(conn) && !shape_enter(conn, fd, FLOW_OUT, dontwait, bytes, &refused))                           \
    return -1
#define LEAVE(dontwait, result, carried)                                                                               \
    transfer_write_end(&transfer, result, (carried) > 0 ? (size_t)(carried) : 0);                                      \
    if (conn_is_struck(conn))                                                                                          \
    shape_leave(conn, fd, FLOW_OUT, dontwait, carried)

static ssize_t shaped_vector(struct conn *conn, int fd, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    return count < 0 || count > UIO_MAXIOV ? real.writev(fd, iov, count) : shape_send(conn, fd, &message, 0);
}

static ssize_t shaped_to(struct conn *conn, int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to,
                         socklen_t length)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)buf,
                        .iov_len = bytes < SHAPE_BYTES_MAX ? bytes : SHAPE_BYTES_MAX};
    struct msghdr message = {
        .msg_name = (void *)(uintptr_t)to, .msg_namelen = to ? length : 0, .msg_iov = &one, .msg_iovlen = 1};
    return shape_send(conn, fd, &message, flags);
}

static SLOW ssize_t tracked_sendto(uint32_t number, int fd, const void *buf, size_t bytes, int flags,
                                   const struct sockaddr *to, socklen_t length)
{
    TRACKED((flags & MSG_DONTWAIT) != 0, shaped_to(conn, fd, buf, bytes, flags, to, length),
            real.sendto(fd, buf, bytes, flags, to, length), transfer_show_request(&transfer, buf, result));
}

/* The same in the kernel; another preload behind us may stand before one of them alone. */
static SLOW ssize_t tracked_send(uint32_t number, int fd, const void *buf, size_t bytes, int flags)
{
    TRACKED((flags & MSG_DONTWAIT) != 0, shape_send_buffer(conn, fd, buf, bytes, flags),
            real.send(fd, buf, bytes, flags), transfer_show_request(&transfer, buf, result));
}

static SLOW ssize_t tracked_sendmsg(uint32_t number, int fd, const struct msghdr *message, int flags)
{
    TRACKED((flags & MSG_DONTWAIT) != 0, shape_send(conn, fd, message, flags), real.sendmsg(fd, message, flags),
            if (result > 0) transfer_show_gather(&transfer, message->msg_iov, message->msg_iovlen, result));
}

static SLOW ssize_t tracked_write(uint32_t number, int fd, const void *buf, size_t bytes)
{
    TRACKED(false, shape_send_buffer(conn, fd, buf, bytes, 0), real.write(fd, buf, bytes),
            transfer_show_request(&transfer, buf, result));
}

static SLOW ssize_t tracked_writev(uint32_t number, int fd, const struct iovec *iov, int count)
{
    TRACKED(false, shaped_vector(conn, fd, iov, count), real.writev(fd, iov, count),
            transfer_show_gather(&transfer, iov, (size_t)count, result));
}

static SLOW ssize_t tracked_sendfile(uint32_t number, int fd, int in, off_t *offset, size_t bytes)
{
    struct conn *conn = conn_named(number);
    if (!conn)
        return real.sendfile(fd, in, offset, bytes);
    ENTER(false, &bytes);
    ssize_t result = real.sendfile(fd, in, offset, bytes);
    transfer_show_request(&transfer, NULL, result);
    LEAVE(false, result, result);
    return result;
}

static SLOW ssize_t tracked_sendfile64(uint32_t number, int fd, int in, off64_t *offset, size_t bytes)
{
    struct conn *conn = conn_named(number);
    if (!conn)
        return real.sendfile64(fd, in, offset, bytes);
    ENTER(false, &bytes);
    ssize_t result = real.sendfile64(fd, in, offset, bytes);
    transfer_show_request(&transfer, NULL, result);
    LEAVE(false, result, result);
    return result;
}

HOOK ssize_t send(int fd, const void *buf, size_t bytes, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_send(number, fd, buf, bytes, flags) : real.send(fd, buf, bytes, flags);
}

ssize_t sendto_plain(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_sendto(number, fd, buf, bytes, flags, to, length)
                  : real.sendto(fd, buf, bytes, flags, to, length);
}

HOOK ssize_t sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, 0))
        return fastopen_sendto(fd, buf, bytes, flags, to, length);
    uint32_t number = conn_number(fd);
    return number ? tracked_sendto(number, fd, buf, bytes, flags, to, length)
                  : real.sendto(fd, buf, bytes, flags, to, length);
}

ssize_t sendmsg_plain(int fd, const struct msghdr *message, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_sendmsg(number, fd, message, flags) : real.sendmsg(fd, message, flags);
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, 0))
        return fastopen_sendmsg(fd, message, flags);
    uint32_t number = conn_number(fd);
    if (number)
        return tracked_sendmsg(number, fd, message, flags);
    handover_passed(message);
    return real.sendmsg(fd, message, flags);
}

HOOK ssize_t write(int fd, const void *buf, size_t bytes)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_write(number, fd, buf, bytes) : real.write(fd, buf, bytes);
}

HOOK ssize_t writev(int fd, const struct iovec *iov, int count)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_writev(number, fd, iov, count) : real.writev(fd, iov, count);
}

HOOK ssize_t sendfile(int out, int in, off_t *offset, size_t bytes)
{
    uint32_t number = conn_number(out);
    return number ? tracked_sendfile(number, out, in, offset, bytes) : real.sendfile(out, in, offset, bytes);
}

HOOK ssize_t sendfile64(int out, int in, off64_t *offset, size_t bytes)
{
    uint32_t number = conn_number(out);
    return number ? tracked_sendfile64(number, out, in, offset, bytes) : real.sendfile64(out, in, offset, bytes);
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    struct conn *conn = conn_of(fd);
    size_t bytes = 0;
    if (!conn) {
        for (unsigned i = 0; i < count && i < UIO_MAXIOV && atomic_load(&block_used); i++)
            handover_passed(&messages[i].msg_hdr);
        return real.sendmmsg(fd, messages, count, flags);
    }
    ENTER((flags & MSG_DONTWAIT) != 0, NULL);
    int result = real.sendmmsg(fd, messages, count, flags);
    for (int i = 0; i < result; i++)
        bytes += messages[i].msg_len;
    if (result > 0)
        transfer_show_gather(&transfer, messages[0].msg_hdr.msg_iov, messages[0].msg_hdr.msg_iovlen,
                             (ssize_t)messages[0].msg_len);
    LEAVE((flags & MSG_DONTWAIT) != 0, result, (ssize_t)bytes);
    return result;
}

static SLOW ssize_t splice_out(struct conn *conn, int in, off64_t *in_offset, int fd, off64_t *out_offset, size_t bytes,
                               unsigned flags)
{
    ENTER(false, &bytes);
    ssize_t result = real.splice(in, in_offset, fd, out_offset, bytes, flags);
    transfer_show_request(&transfer, NULL, result);
    LEAVE(false, result, result);
    return result;
}

/* A pipe on one side, a connection on the other: either end may be tracked. */
HOOK ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t bytes, unsigned flags)
{
    struct conn *source = conn_of(in);
    struct conn *target = conn_of(out);
    struct transfer transfer;
    ssize_t result;
    if (!source && !target)
        return real.splice(in, in_offset, out, out_offset, bytes, flags);
    if (target)
        return splice_out(target, in, in_offset, out, out_offset, bytes, flags);
    if (!transfer_read_begin(&transfer, source, in, false))
        return -1;
    if (conn_is_struck(source) && !shape_enter(source, in, FLOW_IN, false, &bytes, &result))
        return result;
    do
        result = real.splice(in, in_offset, out, out_offset, bytes, flags);
    while (transfer_read_again(&transfer, &result, bytes));
    transfer_show_buffer(&transfer, NULL, result);
    if (conn_is_struck(source))
        shape_leave(source, in, FLOW_IN, false, result);
    return result;
}

/* Without an offset (-1) these are writes, and the only ones of their kind that a socket accepts. */
static SLOW ssize_t tracked_pwritev(uint32_t number, int fd, const struct iovec *iov, int count, off64_t offset,
                                    int flags)
{
    TRACKED((flags & RWF_NOWAIT) != 0,
            offset == -1 && flags == 0 ? shaped_vector(conn, fd, iov, count)
                                       : real.pwritev64v2(fd, iov, count, offset, flags),
            real.pwritev64v2(fd, iov, count, offset, flags),
            transfer_show_gather(&transfer, iov, (size_t)count, result));
}

HOOK ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_pwritev(number, fd, iov, count, offset, flags)
                  : real.pwritev2(fd, iov, count, offset, flags);
}

HOOK ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    uint32_t number = conn_number(fd);
    return number ? tracked_pwritev(number, fd, iov, count, offset, flags)
                  : real.pwritev64v2(fd, iov, count, offset, flags);
}

ALIAS(__write, write);
ALIAS(__send, send);
