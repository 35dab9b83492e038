/* SPDX-License-Identifier: MIT
 * Limits that act on established connections: bulkhead.unit = exchange, rate.unit = exchanges and bytes.
 *
 * They act before a write. A blocking write waits for its turn, and fails with ETIMEDOUT when there will be none in
 * time; nothing was sent then, and the connection stays as it is. A write that must not block gets EAGAIN, and the
 * descriptor is parked (conn/park.h) until its turn. Any thread; signal safe. */
#ifndef RESIL_CONN_PACE_H
#define RESIL_CONN_PACE_H

#include <stdbool.h>
#include <stddef.h>

#include "conn/conn.h"
#include "policy/rate.h"

/* Bits of conn->paced. PACE_CHAOS: it is struck, and its writes are conn/shape.h's. */
enum { PACE_SLOT = 1, PACE_EXCHANGES = 2, PACE_BYTES = 4, PACE_CHAOS = 8 };

/* pace_open(conn, name): what of this concerns a new connection to the destination called name. */
void pace_open(struct conn *conn, const char *name);

/* pace_write(conn, fd, blocking): before a write on a connection that is paced. False: the call is over with errno. */
bool pace_write(struct conn *conn, int fd, bool blocking);

/* pace_wrote(conn, bytes): after it; bytes: what went out, 0 when it failed. */
void pace_wrote(struct conn *conn, size_t bytes);

/* pace_again(conn, now_ns): a parked descriptor is due: whether it goes on waiting for its turn (and is parked anew).
 */
bool pace_again(struct conn *conn, uint64_t now_ns);

/* pace_turn(account, conf, now_ns, longest_ns): one event of a rate limiter, taken if it is admitted: with a wait of at
 * most longest_ns and rate.max_wait. */
struct account;
struct rate_step pace_turn(const struct account *account, const struct conf *conf, uint64_t now_ns,
                           uint64_t longest_ns);

#endif
