/* SPDX-License-Identifier: MIT
 * Exchanges: open from the first byte written (after the connect or a read) to the first byte read. Any thread; signal
 * safe; no system call; no errno; the clock is read at the edges of an exchange only. */
#ifndef RESIL_CONN_EXCHANGE_H
#define RESIL_CONN_EXCHANGE_H

#include "conn/conn.h"

/* Bytes went out, bytes came in, the peer closed, a call failed with an errno. */
void exchange_wrote(struct conn *conn, uint64_t bytes, uint64_t begun_ns); /* begun_ns: before the write, 0 = unknown */
void exchange_read(struct conn *conn, uint64_t bytes);
void exchange_end(struct conn *conn);
void exchange_failed(struct conn *conn, int error);

/* An exchange that waits for its answer is over, and the connection with it, though the application does not hear of
 * it: by the end of file or an error, or by an answer that is a refusal. */
void exchange_over(struct conn *conn, int error, uint64_t now_ns);
void exchange_refused(struct conn *conn, enum observation seen, uint64_t now_ns);

/* exchange_may_be_greeted(conn): whether the server may speak first, as far as is known. */
bool exchange_may_be_greeted(const struct conn *conn);

/* exchange_listen(conn): the application waits for bytes: on a connection without any yet, a server that speaks first
 * is expected (first_byte), and the exchange opens. One that is not connected yet is looked at (exchange_look()): the
 * application may never ask whether it is, and a wait for bytes alone does not end when it is. */
void exchange_listen(struct conn *conn);

/* exchange_look(conn, now_ns): opens it, when that time has come. Returns the time of the next look, 0 = none. A system
 * call when one is due. */
uint64_t exchange_look(struct conn *conn, uint64_t now_ns);

/* exchange_unseen(conn, bytes, now_ns): request and answer went past the hooks (stdio): what the kernel tells of them
 * at the end of the connection. */
struct kernel_bytes;
void exchange_unseen(struct conn *conn, const struct kernel_bytes *bytes, uint64_t now_ns);

/* exchange_is_sent(conn, fd): whether the request is still on its way and gets ahead: a large one over a slow line. One
 * that lies there, because the peer or the line is gone, does not. Two system calls. */
bool exchange_is_sent(struct conn *conn, int fd);

/* exchange_slow(conn, now_ns): whether the call in flight has just become slow: then the breaker is told. A system call
 * when it is due. */
void exchange_slow(struct conn *conn, uint64_t now_ns);

/* exchange_answered(conn, now_ns): the answer has begun, and nobody will see its bytes. exchange_arrived(): it has
 * begun, and the hook that reads it shows them if they are to be judged. */
void exchange_answered(struct conn *conn, uint64_t now_ns);
void exchange_arrived(struct conn *conn, uint64_t now_ns);

#endif
