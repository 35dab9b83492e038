/* SPDX-License-Identifier: MIT
 * The one deadline of a connection: what its present state may last. Any thread; signal safe. */
#ifndef RESIL_CONN_TIMER_H
#define RESIL_CONN_TIMER_H

#include "conn/conn.h"

/* timer_start(conn, from_ns, timeout_ns): due timeout_ns after from_ns; stops it when the timeout is off, disabled or
 * only observed. An injected reset that is pending stays. */
void timer_start(struct conn *conn, uint64_t from_ns, int64_t timeout_ns);
void timer_stop(struct conn *conn);

#endif
