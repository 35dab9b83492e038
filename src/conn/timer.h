/* SPDX-License-Identifier: MIT
 * The deadlines of a connection: what its present state may last (response, idle, connect), what the exchange may last
 * as a whole, and when it counts as slow. Any thread; signal safe. */
#ifndef RESIL_CONN_TIMER_H
#define RESIL_CONN_TIMER_H

#include "conn/conn.h"
#include "conn/host.h"
#include "segment/learn.h"

/* timer_start(conn, from_ns, timeout_ns): due timeout_ns after from_ns; when the timeout is off, disabled or
 * only observed, the end of the exchange alone counts. */
void timer_start(struct conn *conn, uint64_t from_ns, int64_t timeout_ns);
void timer_stop(struct conn *conn); /* all of them */

/* timer_exchange(conn, from_ns): an exchange begins: its own end, its slow time, the time to its answer. */
void timer_exchange(struct conn *conn, uint64_t from_ns);
/* timer_slow(conn, from_ns): a call that began at from_ns counts as slow when it lasts too long. */
void timer_slow(struct conn *conn, uint64_t from_ns);

/* timer_next_ns(conn): the next time at which something is to be done, 0 = never. */
uint64_t timer_next_ns(const struct conn *conn);
bool timer_exchange_is_over(const struct conn *conn, uint64_t now_ns);

/* timer_response_ns(conn): timeout.response as it is now; <= 0: off. */
static inline int64_t timer_response_ns(const struct conn *conn)
{
    return learn_ns(seg_row(&host.segment, conn->row), LEARN_RESPONSE, conn->conf->timeout_response_ns);
}

/* timer_connect_ns(conn): likewise timeout.connect, or timeout.probe for a probe. */
static inline int64_t timer_connect_ns(const struct conn *conn)
{
    const struct conf *conf = conn->conf;
    int64_t value = conn->admission.ticket.probe ? conf->timeout_probe_ns : conf->timeout_connect_ns;
    return learn_ns(seg_row(&host.segment, conn->row), LEARN_CONNECT, value);
}

#endif
