/* SPDX-License-Identifier: MIT
 * One receive or send on a tracked connection, as the hooks drive it:
 *
 *   struct transfer t;
 *   if (!transfer_read_begin(&t, conn, fd, dontwait))
 *       return -1;
 *   do result = real call; while (transfer_read_again(&t, &result));
 *   transfer_show_buffer(&t, buf, result);
 *   return result;
 *
 * Any thread; signal safe. A call that is unwound in between (cancellation, long jump) leaves nothing but a receive
 * timeout that the next call sets anew. */
#ifndef RESIL_CONN_TRANSFER_H
#define RESIL_CONN_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "conn/block.h"
#include "conn/judge.h"

struct transfer {
    struct conn *conn;
    int fd;
    bool dontwait;
    bool shaped;         /* a write is over before it began: it is conn/shape.h's */
    bool peek;           /* nothing is consumed: no bytes, no answer */
    const void *buffer;  /* where a receive puts its bytes, NULL = in several places, or nowhere */
    uint64_t begun_ns;   /* of a write that may open an exchange */
    uint32_t generation; /* of the record when the call began */
    struct block_read block;
};

/* False: the call is over, -1 with errno. transfer_read_enter(): all but the timeouts of a blocking receive
 * (block_read_begin()): the caller waits itself before. */
bool transfer_read_enter(struct transfer *transfer, struct conn *conn, int fd, bool dontwait);
bool transfer_read_begin(struct transfer *transfer, struct conn *conn, int fd, bool dontwait);
/* True: make the call again. May turn *result into -1 with errno. wanted: 0 when no byte was asked for. */
bool transfer_read_again(struct transfer *transfer, ssize_t *result, size_t wanted);

/* After the last try: what a call brought, for an answer that is to be judged. iov or buf NULL: nobody can see it. */
void transfer_show_read(const struct transfer *transfer, const struct iovec *iov, size_t count, ssize_t result);
static inline void transfer_show_vector(const struct transfer *transfer, const struct iovec *iov, size_t count,
                                        ssize_t result)
{
    if (judge_pending(transfer->conn))
        transfer_show_read(transfer, iov, count, result);
}
static inline void transfer_show_buffer(const struct transfer *transfer, void *buf, ssize_t result)
{
    struct iovec one = {.iov_base = buf, .iov_len = result > 0 ? (size_t)result : 0};
    transfer_show_vector(transfer, buf ? &one : NULL, 1, result);
}

/* After the real call and before transfer_write_end(): what went out, for a record that wants to know. */
void transfer_show_written(const struct transfer *transfer, const struct iovec *iov, size_t count, ssize_t result);
static inline void transfer_show_gather(const struct transfer *transfer, const struct iovec *iov, size_t count,
                                        ssize_t result)
{
    if (judge_curious(transfer->conn))
        transfer_show_written(transfer, iov, count, result);
}
static inline void transfer_show_request(const struct transfer *transfer, const void *buf, ssize_t result)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)buf, .iov_len = result > 0 ? (size_t)result : 0};
    transfer_show_gather(transfer, &one, buf ? 1 : 0, result);
}

/* False: likewise; or transfer->shaped: chaos strikes the connection, and nothing has happened yet.
 * transfer_write_enter(): the same, for conn/shape.h itself. */
bool transfer_write_begin(struct transfer *transfer, struct conn *conn, int fd, bool dontwait);
bool transfer_write_enter(struct transfer *transfer, struct conn *conn, int fd, bool dontwait);
/* After the real call; bytes is what went out (for sendmmsg not its result). */
void transfer_write_end(struct transfer *transfer, ssize_t result, size_t bytes);

#endif
