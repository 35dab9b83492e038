/* SPDX-License-Identifier: MIT
 * Sending a request again (retry.replay): over a new connection on the same descriptor, when its own failed before a
 * byte of the answer was read.
 *
 * Only what policy/replay.h allows, at most REPLAY_BYTES, on a blocking descriptor, within a receive of the
 * application: that call then simply takes longer. Each attempt asks the breaker and the retry budget, and waits as
 * between connects; retry.attempts bounds them for each request. The copy is made after the kernel took the bytes, in
 * pages that the record maps at its first request and gives back at its end. Any thread; signal safe. */
#ifndef RESIL_CONN_REPLAY_H
#define RESIL_CONN_REPLAY_H

#include <sys/uio.h>

#include "conn/conn.h"

/* replay_start(conn, attempt): a new record: whether its requests are kept. replay_end(conn): it ends. */
void replay_start(struct conn *conn, const struct attempt *attempt);
void replay_end(struct conn *conn);

/* replay_keep(conn, iov, count, bytes): a write that the kernel has taken; before exchange_wrote(). iov NULL: nobody
 * can see it. */
void replay_keep(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes);

/* replay_after_failure(conn, fd, error): the receive failed with error, 0 at the end of file. replay_after_answer(conn,
 * fd, bytes, length): it brought these first bytes of an answer. True: the request was sent again; receive anew. errno
 * is kept otherwise. */
bool replay_after_failure(struct conn *conn, int fd, int error);
bool replay_after_answer(struct conn *conn, int fd, const void *bytes, size_t length);

#endif
