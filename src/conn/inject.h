/* SPDX-License-Identifier: MIT
 * Chaos at a connection: draws once which faults strike it, and says what they do to its connect. What they do to its
 * bytes is conn/flow.h, to lookups conn/inject_dns.h. Any thread; signal safe; never allocates; errno as it is. */
#ifndef RESIL_CONN_INJECT_H
#define RESIL_CONN_INJECT_H

#include <stdbool.h>

#include "conn/conn.h"
#include "policy/fault.h"

/* Where a spec comes from: RESIL_CHAOS, `chaos =`. Each has counts of its own (count=). */
enum inject_source { INJECT_OWN, INJECT_RULES, INJECT_SOURCES };

/* A connection, or a lookup, to be drawn for: of the destination `name`, whose row is `row`. */
struct inject_call {
    const char *name;
    uint32_t row;
    uint64_t ordinal;
};

/* inject_number(conn): gives it its number among this process's connections to its destination. */
void inject_number(struct conn *conn);

/* inject_draw(conn, source, faults, name, began_ns): which faults of the spec strike this connection of destination
 * `name`; began_ns: when the spec began (CLOCK_MONOTONIC), for for=. */
void inject_draw(struct conn *conn, enum inject_source source, const struct faults *faults, const char *name,
                 uint64_t began_ns);

/* Likewise for lookups: which of the faults strike, as bits. */
void inject_number_lookup(struct inject_call *call);
uint32_t inject_draw_lookup(const struct inject_call *call, enum inject_source source, const struct faults *faults,
                            uint64_t began_ns);

/* inject_forget(conn): before it is drawn anew, for another attempt. */
void inject_forget(struct conn *conn);

/* inject_denied(conn, name): RESIL_CHAOS is meant for this destination, but the rules forbid it: an event, once for
 * each destination and process. */
void inject_denied(const struct conn *conn, const char *name);

/* inject_fault(conn, index): fault number index when it strikes this connection and its time is not over, else NULL. */
const struct fault *inject_fault(const struct conn *conn, uint32_t index);

/* inject_count(conn): one fault more has taken effect. */
void inject_count(const struct conn *conn);

struct inject_verdict {
    int error;        /* the connect fails with it, 0 = it does not */
    bool swallowed;   /* it is never made, and nobody answers */
    int64_t delay_ns; /* it begins so much later */
    int64_t late_ns;  /* it is seen to be complete so much later */
};

/* inject_connect(conn): before a connect on a struck connection; the caller must carry it out. */
struct inject_verdict inject_connect(struct conn *conn);

/* A connect that is never answered fails by itself after this time, as with the kernel's tcp_syn_retries of 6. */
#define INJECT_PATIENCE_NS 127000000000ll

/* inject_delayed(conn, until_ns): what the application waits for is withheld by us until then. inject_withholds(conn,
 * now_ns): whether it is: then a timeout is our own doing, whatever the kernel has. */
void inject_delayed(struct conn *conn, uint64_t until_ns);
bool inject_withholds(const struct conn *conn, uint64_t now_ns);

/* inject_spares(conn): the present call was delayed by us, and must not be held against the backend. */
static inline bool inject_spares(const struct conn *conn)
{
    return atomic_load_explicit(&conn->tainted, memory_order_relaxed) && !conn->conf->chaos_counts;
}

/* inject_sleep(ns): a blocking call waits. A cancellation point, as the call itself is one; goes on after signals.
 * inject_pause(ns): likewise, but false when a signal came that would have interrupted the call. */
void inject_sleep(int64_t ns);
bool inject_pause(int64_t ns);

#endif
