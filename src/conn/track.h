/* SPDX-License-Identifier: MIT
 * The life of a tracked connection: what happened to it, and who is told.
 *
 * Every function may be called by any thread and in signal handlers, never allocates, makes no system
 * call unless it says so, and changes no errno.
 */
#ifndef RESIL_CONN_TRACK_H
#define RESIL_CONN_TRACK_H

#include "conn/conn.h"

/* The connect in flight (CONNECTING) ended. */
void track_connected(struct conn *conn, uint64_t now_ns);
void track_connect_failed(struct conn *conn, int error, uint64_t now_ns);
void track_cancelled(struct conn *conn); /* by the application */

/* track_settle(conn, fd): asks the kernel (one system call) whether a connect in flight has ended, without consuming
 * its error. True when it is connected. */
bool track_settle(struct conn *conn, int fd);

/* track_expire(conn, now_ns): the deadline of its state has passed: reports the timeout, poisons the connection and
 * shuts it down (a few system calls). False when it had not, or when the kernel has the answer already. */
bool track_expire(struct conn *conn, uint64_t now_ns);

/* An injected reset. track_cut_at(): the connection ends at at_ns, by a reset or by its end (conn/flow.h). */
void track_reset(struct conn *conn, int fd);
void track_cut_at(struct conn *conn, uint64_t at_ns, bool by_reset);

/* track_report(conn): the errno of a poisoned connection for the next call of the application: once the reason,
 * ECONNRESET afterwards; 0 when it is not poisoned. */
int track_report(struct conn *conn);

/* track_close(fd): the descriptor goes away. Call before the real close: the number may be somebody else's right after
 * it. With the last descriptor the record ends; its slot stays taken until track_closed(), after the real close, so
 * that the backend never sees one connection more than there are slots. One system call when a connect was in flight.
 */
struct closing {
    struct conn *conn; /* NULL: nothing ends */
    uint32_t generation;
};
struct closing track_close(int fd);
void track_closed(struct closing closing);

/* Likewise for all of a range; track_sweep() ends them. */
void track_close_range(unsigned first, unsigned last);

/* track_sweep(): ends the records whose descriptors were closed without track_closed(): by this
 * thread's call for a range of them, or by one that was unwound long ago (cancelled, siglongjmp). True when there was
 * one. Nearly free when there is none. */
bool track_sweep(void);

/* track_release(conn): ends the record of a reference already taken from the table. */
void track_release(struct conn *conn);

/* track_exit(): the process ends by exit(): tells of answers that did not come to reads inside libc. System calls only
 * where a timeout of the answer has passed on a socket that blocks. */
void track_exit(void);

/* track_before_fork(), track_after_fork(): the second in the child: the connections stay known, but leases and
 * exchanges are the parent's. The child enters the registry when there are any, and is written down as an heir of their
 * slots: a slot lives as long as somebody holds its socket. */
void track_before_fork(void);
void track_after_fork(void);

/* track_hold(conn): this process holds the socket as well: it is an heir of the slot. Where that has been given back
 * meanwhile it takes one of its own: the connection exists, so nobody is asked whether it may. */
void track_hold(struct conn *conn);

#endif
