/* SPDX-License-Identifier: MIT
 * Receives and sends on tracked connections. */
#include "conn/transfer.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/pace.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/replay.h"
#include "conn/exchange.h"
#include "conn/track.h"

/* The descriptor was closed while the call slept: the record, and the number, may be another connection's now. */
static bool is_gone(const struct transfer *transfer)
{
    return atomic_load_explicit(&transfer->conn->generation, memory_order_acquire) != transfer->generation;
}

/* The first call after we ended the connection says why. As natively that consumes the error: what our shutdown left in
 * the kernel must not show up in SO_ERROR as a second one. */
static bool poisoned(struct conn *conn, int fd)
{
    enum conn_state state = conn_state(conn);
    if (state != CONN_EXPIRED && state != CONN_DEAD)
        return false;
    int error = track_report(conn);
    if (state == CONN_EXPIRED)
        kernel_take_error(fd);
    errno = error;
    return true;
}

static bool withheld(const struct transfer *transfer)
{
    struct conn *conn = transfer->conn;
    if (!park_holds(conn))
        return false;
    if (atomic_load(&conn->blocking) && !transfer->dontwait) {
        pending_await(conn);
        return poisoned(conn, transfer->fd);
    }
    uint64_t now_ns = clock_now_ns();
    if (park_is_due(conn, now_ns) && !pending_due(conn, now_ns)) {
        park_end(conn);
        return poisoned(conn, transfer->fd);
    }
    errno = EAGAIN;
    return true;
}

static inline __attribute__((always_inline)) bool enter_read(struct transfer *transfer, struct conn *conn, int fd,
                                                             bool dontwait)
{
    *transfer =
        (struct transfer){.conn = conn, .fd = fd, .dontwait = dontwait, .generation = atomic_load(&conn->generation)};
    if (poisoned(conn, fd) || withheld(transfer))
        return false;
    if (conn_state(conn) == CONN_CONNECTING && !track_settle(conn, fd) && pending_failed(conn, fd)) {
        errno = EAGAIN;
        return false;
    }
    exchange_listen(conn);
    return true;
}

bool transfer_read_enter(struct transfer *transfer, struct conn *conn, int fd, bool dontwait)
{
    return enter_read(transfer, conn, fd, dontwait);
}

bool transfer_read_begin(struct transfer *transfer, struct conn *conn, int fd, bool dontwait)
{
    int saved = errno;
    if (!enter_read(transfer, conn, fd, dontwait))
        return false;
    block_read_begin(conn, fd, dontwait, &transfer->block);
    errno = saved;
    return true;
}

/* Whether the request was sent again: then the receive is made anew, with timeouts of its own. */
static bool replay(struct transfer *transfer, ssize_t result, size_t wanted)
{
    struct conn *conn = transfer->conn;
    bool blocking = atomic_load(&conn->blocking) && !transfer->dontwait;
    bool again =
        blocking && !transfer->peek && wanted > 0 &&
        (result > 0 ? transfer->buffer && replay_after_answer(conn, transfer->fd, transfer->buffer, (size_t)result)
                    : replay_after_failure(conn, transfer->fd, result < 0 ? errno : 0));
    if (again)
        block_read_begin(conn, transfer->fd, false, &transfer->block);
    return again;
}

bool transfer_read_again(struct transfer *transfer, ssize_t *result, size_t wanted)
{
    struct conn *conn = transfer->conn;
    int error = errno;
    if (is_gone(transfer))
        return false;
    if (*result < 0 && block_read_again(conn, transfer->fd, error, &transfer->block))
        return true;
    block_read_end(conn, transfer->fd, &transfer->block);
    errno = error;
    if (__builtin_expect(conn->replay_used != 0, 0) && replay(transfer, *result, wanted))
        return true;
    enum conn_state state = conn_state(conn);
    if (transfer->peek && *result >= 0 && state != CONN_EXPIRED && state != CONN_DEAD)
        return false;
    if (*result > 0) {
        exchange_read(conn, (uint64_t)*result);
    } else if ((*result < 0 || wanted > 0) && (state == CONN_EXPIRED || state == CONN_DEAD)) {
        /* Ended by us while the call was waiting: the kernel's end of file is our timeout. */
        poisoned(conn, transfer->fd);
        *result = -1;
    } else if (*result < 0) {
        exchange_failed(conn, error);
        errno = error;
    } else if (wanted > 0) {
        exchange_end(conn);
        errno = error;
    }
    return false;
}

void transfer_show_read(const struct transfer *transfer, const struct iovec *iov, size_t count, ssize_t result)
{
    if (result > 0 && !transfer->peek && !is_gone(transfer))
        judge_answer(transfer->conn, iov, count, (size_t)result);
}

static void show_request(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes)
{
    uint32_t curious = atomic_load_explicit(&conn->curious, memory_order_relaxed);
    if (curious & CURIOUS_REPLAY)
        replay_keep(conn, count ? iov : NULL, count, bytes);
    if (curious & CURIOUS_JUDGE)
        judge_request(conn, iov, count, bytes);
}

void transfer_show_written(const struct transfer *transfer, const struct iovec *iov, size_t count, ssize_t result)
{
    if (result > 0 && !is_gone(transfer))
        show_request(transfer->conn, iov, count, (size_t)result);
}

/* shaping: by conn/shape.h, which is there when the connection is struck. */
static inline __attribute__((always_inline)) bool begin_write(struct transfer *transfer, struct conn *conn, int fd,
                                                              bool dontwait, bool shaping)
{
    int saved = errno;
    *transfer =
        (struct transfer){.conn = conn, .fd = fd, .dontwait = dontwait, .generation = atomic_load(&conn->generation)};
    if (poisoned(conn, fd) || withheld(transfer))
        return false;
    block_mend(conn, fd);
    if (__builtin_expect(conn->paced != 0, 0)) {
        transfer->shaped = !shaping && conn_is_struck(conn);
        if (transfer->shaped ||
            ((conn->paced & ~(uint32_t)PACE_CHAOS) && !pace_write(conn, fd, atomic_load(&conn->blocking) && !dontwait)))
            return false;
    }
    /* An exchange begins with its first byte: the answer may be there before the write returns. */
    enum conn_state state = conn_state(conn);
    if (state == CONN_FRESH || state == CONN_ANSWERING)
        transfer->begun_ns = clock_now_ns();
    errno = saved;
    return true;
}

bool transfer_write_begin(struct transfer *transfer, struct conn *conn, int fd, bool dontwait)
{
    return begin_write(transfer, conn, fd, dontwait, false);
}

bool transfer_write_enter(struct transfer *transfer, struct conn *conn, int fd, bool dontwait)
{
    return begin_write(transfer, conn, fd, dontwait, true);
}

void transfer_write_end(struct transfer *transfer, ssize_t result, size_t bytes)
{
    struct conn *conn = transfer->conn;
    int error = errno;
    if (is_gone(transfer))
        return;
    if (result < 0) {
        exchange_failed(conn, error);
    } else if (bytes > 0) {
        exchange_wrote(conn, bytes, transfer->begun_ns);
    }
    if (conn->paced)
        pace_wrote(conn, result < 0 ? 0 : bytes);
    errno = error;
}
