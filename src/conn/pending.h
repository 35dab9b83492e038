/* SPDX-License-Identifier: MIT
 * Connects of event loops: the application was told EINPROGRESS, and we wait for a turn, or between two attempts.
 *
 * Meanwhile the descriptor is parked (conn/park.h). When its time has come, whichever wait of the process looks at the
 * deadlines goes on with the call; a failed attempt is noticed by the wait that would have told the application, which
 * takes the event back. The next attempt is made on the same descriptor, by connect(AF_UNSPEC) and connect(), while it
 * is out of its epoll set, so that nobody sees the change; the application sees one clean result. A descriptor that
 * cannot be parked gets its failure reported as it is. Any thread; signal safe. */
#ifndef RESIL_CONN_PENDING_H
#define RESIL_CONN_PENDING_H

#include "conn/conn.h"

/* Records whose connect is ours to repeat or to begin: 0 means that no event has to be looked at. */
extern _Atomic uint32_t pending_calls;

/* pending_keep(conn, attempt): the call of a connection that is connecting may need a further attempt. */
void pending_keep(struct conn *conn, const struct attempt *attempt);

/* pending_wait(attempt): admission said WAIT: -1 with EINPROGRESS; false when the descriptor cannot be parked. */
bool pending_wait(struct attempt *attempt);

/* pending_swallow(conn, fd): chaos: a connect that is never made, and that nobody answers; false when the descriptor
 * cannot be parked. pending_let_go(conn): its time is over. */
bool pending_swallow(struct conn *conn, int fd);
void pending_let_go(struct conn *conn);

/* pending_retry(conn, fd, error, seen): the attempt failed, as `seen` says: whether another one follows, so that the
 * application need not hear of it. False: the failure is the application's, and the call is over. */
bool pending_retry(struct conn *conn, int fd, int error, enum observation seen);

/* pending_overdue(conn, fd): timeout.total is over, wherever the call is: whether it goes on at a fallback. */
bool pending_overdue(struct conn *conn, int fd);

/* pending_failed(conn, fd): the descriptor has an event: whether it is that of an attempt which failed and is followed
 * by another one; then nobody must see it. */
bool pending_failed(struct conn *conn, int fd);

/* pending_due(conn, now_ns): a parked descriptor is due: whether it stays parked. */
bool pending_due(struct conn *conn, uint64_t now_ns);

/* pending_is_busy(conn): some thread is moving it on at this moment. */
bool pending_is_busy(const struct conn *conn);

/* pending_holds(conn): whether there is no attempt in the kernel at this moment. */
bool pending_holds(const struct conn *conn);

/* pending_end(conn, ok): the connect is over. pending_forget(conn): the application gave it up. pending_abort(conn):
 * the descriptor can no longer be parked: what still waits has failed. pending_after_fork(conn): it is the parent's
 * call. */
void pending_end(struct conn *conn, bool ok);
void pending_forget(struct conn *conn);
void pending_abort(struct conn *conn);
void pending_after_fork(struct conn *conn);

/* pending_suspend(conn): before an exec: its place in a queue is given back; if the exec fails it queues anew. */
void pending_suspend(struct conn *conn);

/* pending_await(conn): a call on a descriptor that blocks by now: sleeps until there is an attempt, or none any more.
 */
void pending_await(struct conn *conn);

/* pending_of(epfd, data, since_ns): the record whose registration in this epoll set has that data, and which a failure
 * that a wait begun at since_ns reports can be of; NULL when there is none. Several members may have the same data. */
struct conn *pending_of(int epfd, uint64_t data, uint64_t since_ns);

#endif
