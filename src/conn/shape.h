/* SPDX-License-Identifier: MIT
 * Receives and sends on a connection that chaos strikes: the same calls as those of conn/transfer.h, made in the pieces
 * and at the times that conn/flow.h allows. Hooks turn here when conn->struck is set; without it this costs one test.
 *
 * The memory that a message names is looked at only when it can be read; else the kernel gets the call as it is, and
 * says EFAULT. Any thread; signal safe. A call that is unwound leaves what it had moved, as a system call would. */
#ifndef RESIL_CONN_SHAPE_H
#define RESIL_CONN_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "conn/conn.h"

/* read, readv, recv, recvfrom, recvmsg; and likewise of writes: -1 with errno. */
ssize_t shape_receive(struct conn *conn, int fd, struct msghdr *message, int flags);
ssize_t shape_send(struct conn *conn, int fd, const struct msghdr *message, int flags);

/* No call moves more (the kernel's MAX_RW_COUNT), and more is no error. */
#define SHAPE_BYTES_MAX 0x7ffff000u

static inline ssize_t shape_receive_buffer(struct conn *conn, int fd, void *buf, size_t bytes, int flags)
{
    struct iovec one = {.iov_base = buf, .iov_len = bytes < SHAPE_BYTES_MAX ? bytes : SHAPE_BYTES_MAX};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    return shape_receive(conn, fd, &message, flags);
}

static inline ssize_t shape_send_buffer(struct conn *conn, int fd, const void *buf, size_t bytes, int flags)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)buf,
                        .iov_len = bytes < SHAPE_BYTES_MAX ? bytes : SHAPE_BYTES_MAX};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    return shape_send(conn, fd, &message, flags);
}

/* shape_enter(conn, fd, way, dontwait, bytes, result): the other calls (sendfile, splice, recvmmsg ...), after
 * transfer_..._begin(): waits, and lessens *bytes where that is not NULL. False: *result (and errno) is the call's.
 * shape_leave(): after transfer_..._end(), with what passed. */
bool shape_enter(struct conn *conn, int fd, enum flow_way way, bool dontwait, size_t *bytes, ssize_t *result);
void shape_leave(struct conn *conn, int fd, enum flow_way way, bool dontwait, ssize_t bytes);

#endif
