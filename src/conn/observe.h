/* SPDX-License-Identifier: MIT
 * Telling the segment what was seen of a connection. Any thread; signal safe; no system call; no errno. */
#ifndef RESIL_CONN_OBSERVE_H
#define RESIL_CONN_OBSERVE_H

#include "conn/conn.h"

/* observe_gate(conn): where its breaker stands. */
struct gate observe_gate(const struct conn *conn);
struct seg_row *observe_row(const struct conn *conn); /* the endpoint's */

/* observe(conn, observation, now_ns): counters, an event for a failure, and the breaker when the call still awaits its
 * result there. A failure that we injected is told as ignored unless chaos.counts is on. */
void observe(struct conn *conn, enum observation observation, uint64_t now_ns);

/* observe_slow(conn, now_ns): the call is still in flight, and slow. */
void observe_slow(struct conn *conn, uint64_t now_ns);

/* observe_answer(conn, observation, answered_ns, now_ns, retry_after_ns): likewise, of an answer that was judged at
 * now_ns and had begun at answered_ns: it is slow or not by its first byte. retry_after_ns: as in gate_result(). */
void observe_answer(struct conn *conn, enum observation observation, uint64_t answered_ns, uint64_t now_ns,
                    uint64_t retry_after_ns);

/* The two halves: the counters alone; the breaker alone, once for each admission. */
void observe_count(const struct conn *conn, enum observation observation);
void observe_tell(struct conn *conn, enum outcome outcome, uint64_t now_ns);

#endif
