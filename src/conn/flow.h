/* SPDX-License-Identifier: MIT
 * What chaos does to the bytes of a connection: when they may pass, how many at once, and what becomes of them.
 *
 * Nothing is ever reported that the kernel could not have reported: bytes come later or fewer at a time, a call that
 * must not block gets EAGAIN and the descriptor is parked (conn/park.h) until its time. One that cannot be parked is
 * left alone. A blocking write goes out whole, in pieces. Any thread; signal safe; never allocates. */
#ifndef RESIL_CONN_FLOW_H
#define RESIL_CONN_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn/conn.h"

/* One call as far as chaos is concerned. */
struct flow_pass {
    size_t most;     /* bytes that may pass at once */
    uint64_t offset; /* of its first byte in its direction */
    bool ended;      /* the call's answer is 0: the end of file */
    bool swallowed;  /* bytes that go out get lost */
};

/* flow_begin(conn, fd, way, blocking, pass): before a call on a struck connection; a blocking one waits here. False:
 * the call is over, with 0 when pass->ended, else with -1 and errno. */
bool flow_begin(struct conn *conn, int fd, enum flow_way way, bool blocking, struct flow_pass *pass);

/* flow_passed(conn, fd, way, bytes, blocking, more): so many bytes passed; more: the application has more to give, or
 * to take. */
void flow_passed(struct conn *conn, int fd, enum flow_way way, size_t bytes, bool blocking, bool more);

/* flow_wrote(conn, fd): after a call that wrote something, and after its exchange was told: what follows on the first
 * bytes of a request (reset, half_close), or on the last that may pass (limit). */
void flow_wrote(struct conn *conn, int fd);

/* flow_corrupts(conn, way): whether bytes are to be harmed; flow_corrupt(conn, way, offset, data, bytes): harms them.
 * offset: of data[0] in its direction. */
bool flow_corrupts(const struct conn *conn, enum flow_way way);
void flow_corrupt(struct conn *conn, enum flow_way way, uint64_t offset, uint8_t *data, size_t bytes);

/* flow_end_seen(conn, fd, blocking): the peer's end of file was read. False: the application must not see it yet: a
 * blocking call reads again, another one gets EAGAIN. */
bool flow_end_seen(struct conn *conn, int fd, bool blocking);

/* flow_connected(conn, now_ns): the connection is established. */
void flow_connected(struct conn *conn, uint64_t now_ns);

/* flow_cut(conn, fd): its end, both ways. */
void flow_cut(struct conn *conn, int fd);

/* flow_is_over(conn, way): nothing passes any more. */
static inline bool flow_is_over(const struct conn *conn, enum flow_way way)
{
    return atomic_load_explicit(&conn->flow[way].over, memory_order_relaxed) != 0;
}

#endif
