/* SPDX-License-Identifier: MIT
 * Chaos at a connection: draws once which faults strike it, and says what they do to each call. */
#ifndef RESIL_CONN_INJECT_H
#define RESIL_CONN_INJECT_H

#include <stdbool.h>

#include "conn/conn.h"
#include "policy/fault.h"

/* inject_draw(conn, faults, name): which faults of the spec strike this connection of destination `name`. */
void inject_draw(struct conn *conn, const struct faults *faults, const char *name);

enum inject_act { INJECT_NOTHING, INJECT_ERROR, INJECT_DELAY };

struct inject_verdict {
    enum inject_act act;
    int error;        /* ERROR */
    int64_t delay_ns; /* DELAY */
};

/* inject_at(conn, call): before the call (one FAULT_AT_*). A latency is named once for each exchange; the caller
 * must carry it out. Without chaos this is one test of conn->struck. */
struct inject_verdict inject_at(struct conn *conn, uint32_t call);

/* inject_wrote(conn, fd): after bytes went out: the reset. */
void inject_wrote(struct conn *conn, int fd);

/* inject_sleep(ns): a blocking call waits. A cancellation point, as the call itself is one; goes on after signals. */
void inject_sleep(int64_t ns);

#endif
