/* SPDX-License-Identifier: MIT
 * MSG_FASTOPEN. Where a destination is enforced, connecting and sending become two calls, which is what the kernel does
 * itself without a cookie of the server; so every policy of connect() holds, at the price of one round trip. */
#include "hooks/fastopen.h"

#include "conn/attempt.h"
#include "conn/kernel.h"
#include "hooks/hook.h"

ssize_t fastopen_sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
    struct conn *conn = NULL;
    switch (attempt_fastopen(fd, to, length, flags, &conn)) {
    case FASTOPEN_FAILED:
        return -1;
    case FASTOPEN_CONNECTED:
        return send(fd, buf, bytes, flags & ~MSG_FASTOPEN);
    case FASTOPEN_TRACKED: /* it goes as it is, and the record is told */
        return attempt_fastopened(conn, fd, real.sendto(fd, buf, bytes, flags, to, length));
    case FASTOPEN_FOREIGN:
        break;
    }
    /* Not ours, or connected long ago: an ordinary send. */
    return sendto_plain(fd, buf, bytes, flags, to, length);
}

ssize_t fastopen_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct conn *conn = NULL;
    struct msghdr rest;
    if (!kernel_readable(message, sizeof *message))
        return real.sendmsg(fd, message, flags);
    switch (attempt_fastopen(fd, message->msg_name, message->msg_namelen, flags, &conn)) {
    case FASTOPEN_FAILED:
        return -1;
    case FASTOPEN_CONNECTED:
        rest = *message;
        rest.msg_name = NULL;
        rest.msg_namelen = 0;
        return sendmsg(fd, &rest, flags & ~MSG_FASTOPEN);
    case FASTOPEN_TRACKED:
        return attempt_fastopened(conn, fd, real.sendmsg(fd, message, flags));
    case FASTOPEN_FOREIGN:
        break;
    }
    return sendmsg_plain(fd, message, flags);
}
