/* SPDX-License-Identifier: MIT
 * Pieces of calls. */
#include "conn/shape.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "conn/exchange.h"
#include "conn/flow.h"
#include "conn/kernel.h"
#include "conn/transfer.h"
#include "real/real.h"

enum { PIECES = 16, SCRATCH_BYTES = 1024, PAGE_BYTES = 4096 };

/* A part of a message: at most PIECES buffers. */
struct part {
    struct msghdr message;
    struct iovec iov[PIECES];
    size_t bytes;
};

static bool is_blocking(const struct conn *conn, int flags)
{
    return atomic_load(&conn->blocking) && !(flags & MSG_DONTWAIT);
}

static bool readable(const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        if (!kernel_readable((const char *)from + at, (unsigned)(bytes - at < PAGE_BYTES ? bytes - at : PAGE_BYTES)))
            return false;
    return true;
}

/* What the message asks for; SIZE_MAX: it is the kernel's to refuse. */
static size_t asked(const struct msghdr *message)
{
    size_t sum = 0;
    if (message->msg_iovlen > IOV_MAX || !readable(message->msg_iov, message->msg_iovlen * sizeof(struct iovec)))
        return SIZE_MAX;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        size_t bytes = message->msg_iov[i].iov_len;
        if (bytes > SSIZE_MAX - sum)
            return SIZE_MAX;
        sum += bytes;
    }
    return sum;
}

/* The part of the message from offset on, at most `most` bytes. What accompanies the bytes goes with the first ones. */
static void cut(const struct msghdr *message, size_t offset, size_t most, struct part *part)
{
    size_t used = 0;
    part->message = (struct msghdr){.msg_iov = part->iov, .msg_flags = message->msg_flags};
    part->bytes = 0;
    if (offset == 0) {
        part->message = *message;
        part->message.msg_iov = part->iov;
    }
    for (size_t i = 0; i < message->msg_iovlen && used < PIECES && part->bytes < most; i++) {
        struct iovec one = message->msg_iov[i];
        if (offset >= one.iov_len) {
            offset -= one.iov_len;
            continue;
        }
        one.iov_base = (char *)one.iov_base + offset;
        one.iov_len -= offset;
        offset = 0;
        if (one.iov_len > most - part->bytes)
            one.iov_len = most - part->bytes;
        part->bytes += one.iov_len;
        part->iov[used++] = one;
    }
    part->message.msg_iovlen = used;
}

/* ---- receives ------------------------------------------------------------------------------------------------ */

static void corrupt(struct conn *conn, const struct part *part, uint64_t offset, ssize_t result)
{
    size_t left = result > 0 ? (size_t)result : 0;
    for (size_t i = 0; left > 0 && i < part->message.msg_iovlen; i++) {
        size_t bytes = part->iov[i].iov_len < left ? part->iov[i].iov_len : left;
        flow_corrupt(conn, FLOW_IN, offset, part->iov[i].iov_base, bytes);
        offset += bytes;
        left -= bytes;
    }
}

/* One piece: its bytes, 0 at the end of file, -1 with errno. */
static ssize_t receive_piece(struct transfer *transfer, const struct msghdr *message, size_t offset, size_t wanted,
                             int flags, struct part *part)
{
    struct conn *conn = transfer->conn;
    struct flow_pass pass;
    bool blocking = is_blocking(conn, flags), peek = (flags & MSG_PEEK) != 0;
    ssize_t result;
    do {
        if (!flow_begin(conn, transfer->fd, FLOW_IN, blocking, &pass))
            return pass.ended ? 0 : -1;
        block_read_begin(conn, transfer->fd, !blocking, &transfer->block);
        size_t most = peek ? SIZE_MAX : pass.most;
        cut(message, offset, most, part);
        do
            result = real.recvmsg(transfer->fd, &part->message, flags);
        while (transfer_read_again(transfer, &result, wanted));
        if (flow_is_over(conn, FLOW_IN) && result < 0)
            return 0; /* ended by us meanwhile */
        if (result == 0 && wanted > 0 && !flow_end_seen(conn, transfer->fd, blocking)) {
            if (!blocking)
                return errno = EAGAIN, -1;
            continue;
        }
        break;
    } while (true);
    if (result > 0 && flow_corrupts(conn, FLOW_IN) && !(flags & MSG_TRUNC))
        corrupt(conn, part, pass.offset, result);
    if (!(flags & MSG_TRUNC))
        transfer_show_vector(transfer, part->iov, part->message.msg_iovlen, result);
    if (result > 0 && !peek)
        flow_passed(conn, transfer->fd, FLOW_IN, (size_t)result, blocking,
                    (size_t)result == part->bytes && part->bytes < wanted - offset);
    return result;
}

/* What the kernel says beside the bytes. */
static void tell(struct msghdr *message, const struct part *part, ssize_t result)
{
    if (result < 0)
        return;
    bool empty = result == 0;
    message->msg_namelen = empty ? 0 : part->message.msg_namelen;
    message->msg_controllen = empty ? 0 : part->message.msg_controllen;
    message->msg_flags = empty ? 0 : part->message.msg_flags;
}

ssize_t shape_receive(struct conn *conn, int fd, struct msghdr *message, int flags)
{
    struct transfer transfer;
    struct part part;
    int saved = errno;
    bool ours = readable(message, sizeof *message) && kernel_int_writable(fd, &message->msg_namelen) &&
                kernel_int_writable(fd, &message->msg_flags);
    size_t wanted = ours ? asked(message) : SIZE_MAX, got = 0;
    if (wanted == SIZE_MAX)
        return real.recvmsg(fd, message, flags);
    if (!transfer_read_enter(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    transfer.peek = (flags & MSG_PEEK) != 0;
    transfer.buffer = message->msg_iovlen == 1 && !(flags & MSG_TRUNC) ? message->msg_iov[0].iov_base : NULL;
    errno = saved;
    bool whole = (flags & MSG_WAITALL) && is_blocking(conn, flags) && !transfer.peek;
    ssize_t result = receive_piece(&transfer, message, 0, wanted, flags, &part);
    tell(message, &part, result);
    if (result > 0)
        got = (size_t)result;
    while (whole && result > 0 && got < wanted) {
        result = receive_piece(&transfer, message, got, wanted, flags, &part);
        if (result > 0)
            got += (size_t)result;
        else if (result < 0 && errno != EAGAIN && errno != EINTR)
            conn_keep_error(conn, errno); /* it belongs to the next call */
        errno = result < 0 ? saved : errno;
    }
    return got > 0 ? (ssize_t)got : result;
}

/* ---- sends --------------------------------------------------------------------------------------------------- */

/* The bytes of a part in memory of ours, with some of them harmed. What cannot be read is the kernel's to refuse. */
static void harm(struct conn *conn, struct part *part, uint64_t offset, uint8_t *scratch)
{
    size_t used = 0;
    for (size_t i = 0; i < part->message.msg_iovlen; i++) {
        if (!readable(part->iov[i].iov_base, part->iov[i].iov_len))
            return;
        memcpy(scratch + used, part->iov[i].iov_base, part->iov[i].iov_len);
        used += part->iov[i].iov_len;
    }
    flow_corrupt(conn, FLOW_OUT, offset, scratch, used);
    part->iov[0] = (struct iovec){.iov_base = scratch, .iov_len = used};
    part->message.msg_iovlen = 1;
}

static ssize_t send_piece(struct transfer *transfer, const struct msghdr *message, size_t offset, size_t total,
                          int flags)
{
    struct conn *conn = transfer->conn;
    struct flow_pass pass;
    struct part part;
    uint8_t scratch[SCRATCH_BYTES];
    bool blocking = is_blocking(conn, flags);
    if (!flow_begin(conn, transfer->fd, FLOW_OUT, blocking, &pass))
        return -1;
    bool harmed = flow_corrupts(conn, FLOW_OUT);
    cut(message, offset, harmed && pass.most > SCRATCH_BYTES ? SCRATCH_BYTES : pass.most, &part);
    ssize_t result = (ssize_t)part.bytes;
    if (harmed)
        harm(conn, &part, pass.offset, scratch);
    if (!pass.swallowed)
        result = real.sendmsg(transfer->fd, &part.message, flags);
    if (result <= 0)
        return result;
    if (judge_curious(conn)) {
        cut(message, offset, (size_t)result, &part); /* as the application gave it */
        transfer_show_gather(transfer, part.iov, part.message.msg_iovlen, result);
    }
    flow_passed(conn, transfer->fd, FLOW_OUT, (size_t)result, blocking, offset + (size_t)result < total);
    return result;
}

ssize_t shape_send(struct conn *conn, int fd, const struct msghdr *message, int flags)
{
    struct transfer transfer;
    size_t total = readable(message, sizeof *message) ? asked(message) : SIZE_MAX, done = 0;
    if (total == SIZE_MAX)
        return real.sendmsg(fd, message, flags);
    if (!transfer_write_enter(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    ssize_t result;
    do {
        result = send_piece(&transfer, message, done, total, flags);
        if (result > 0)
            done += (size_t)result;
    } while (result > 0 && done < total && is_blocking(conn, flags));
    if (done > 0) {
        /* The answer is waited for from here on: until now the bytes were on their way. */
        if (transfer.begun_ns)
            transfer.begun_ns = clock_now_ns();
        result = (ssize_t)done;
    }
    transfer_write_end(&transfer, result, done);
    if (done > 0)
        flow_wrote(conn, fd);
    return result;
}

/* ---- the others ---------------------------------------------------------------------------------------------- */

bool shape_enter(struct conn *conn, int fd, enum flow_way way, bool dontwait, size_t *bytes, ssize_t *result)
{
    struct flow_pass pass;
    *result = -1;
    if (!flow_begin(conn, fd, way, is_blocking(conn, dontwait ? MSG_DONTWAIT : 0), &pass)) {
        *result = pass.ended ? 0 : -1;
        return false;
    }
    if (bytes && pass.most < *bytes)
        *bytes = pass.most;
    return true;
}

void shape_leave(struct conn *conn, int fd, enum flow_way way, bool dontwait, ssize_t bytes)
{
    if (bytes <= 0)
        return;
    flow_passed(conn, fd, way, (size_t)bytes, is_blocking(conn, dontwait ? MSG_DONTWAIT : 0), true);
    if (way == FLOW_OUT)
        flow_wrote(conn, fd);
}
