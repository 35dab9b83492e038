/* SPDX-License-Identifier: MIT
 * Steering: a connect call to a destination that has `endpoints` goes to one of them instead of where the application
 * asked. What the balancer (policy/balance.h) has to know is read from the segment's rows here, and nowhere else.
 *
 * Only in mode = enforce: an observed connection is never moved. Any thread; signal safe; no allocation but the maglev
 * table's pages.
 */
#ifndef RESIL_CONN_STEER_H
#define RESIL_CONN_STEER_H

#include <stdbool.h>

#include "conn/admit.h"
#include "conn/conn.h"

/* steer_wanted(destination): whether its connects are to be steered. */
bool steer_wanted(const struct rule_destination *destination);

/* steer_begin(attempt): before the first pick: what the socket can reach, and what was asked. A call that
 * the kernel will refuse for its address family is not steered. A few system calls. */
void steer_begin(struct attempt *attempt);

/* steer_know(attempt): notes what the socket can reach, and what was asked, unless that is known. False when the kernel
 * will refuse the address for its family. steer_reaches(attempt, place): then, whether it can connect there. */
bool steer_know(struct attempt *attempt);
bool steer_reaches(const struct attempt *attempt, const struct rule_endpoint *place);

/* steer_to(attempt, index): aims at a place of the destination (rules_endpoint()), whose row becomes the attempt's.
 * steer_row(attempt, index): that row. */
void steer_to(struct attempt *attempt, uint32_t index);
uint32_t steer_row(const struct attempt *attempt, uint32_t index);

/* steer_via(attempt): before the first attempt at a destination with `via`: the kernel's address becomes the relay's;
 * rows, breaker and timeouts stay those of what was asked. False when the socket cannot reach it. */
bool steer_via(struct attempt *attempt);

/* steer_pick(attempt): picks the endpoint of the next attempt: fills attempt->to, endpoint, addr and insist. ADMIT,
 * or why there is none: BREAKER_OPEN, NO_ENDPOINT. */
enum verdict steer_pick(struct attempt *attempt);

/* steer_pass(attempt): the endpoint just picked would not take the call after all (its probes are under way): the
 * next steer_pick() passes it over. */
void steer_pass(struct attempt *attempt);

/* steer_home(attempt): back to the address that the application asked for. */
void steer_home(struct attempt *attempt);

/* steer_other(attempt): after the attempt at the endpoint picked last has failed: whether the next attempt of this call
 * would go where it has not been: then it needs no back-off. This is also the question of whoever goes on to another
 * endpoint within a connect that does not block. */
bool steer_other(struct attempt *attempt);

/* steer_endpoint_connections(row): open connections to an endpoint, by the account of its own: each steered connection
 * has a slot there (SLOT_ENDPOINT), so that the number is exact although owners may be killed. */
uint32_t steer_endpoint_connections(const struct seg_row *row);

/* steer_learn(conn, latency_ns, now_ns): a latency of the endpoint, for balance = least_time. */
void steer_learn(const struct conn *conn, uint64_t latency_ns, uint64_t now_ns);

/* steer_peer(conn, fd, addr, length): what getpeername() shows of a steered connection: the address that the
 * application asked for. room: the value of *length before the real call, which has succeeded. False when the real
 * answer stands. */
bool steer_peer(const struct conn *conn, int fd, struct sockaddr *addr, socklen_t room, socklen_t *length);

#endif
