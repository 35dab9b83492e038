/* SPDX-License-Identifier: MIT
 * Deadlines of single connections. */
#include "conn/timer.h"

#include "conn/deadline.h"
#include "conn/host.h"

void timer_stop(struct conn *conn)
{
    if (atomic_load_explicit(&conn->reset_due, memory_order_relaxed))
        return; /* the injected reset comes whatever the exchange does */
    atomic_store_explicit(&conn->deadline_ns, 0, memory_order_relaxed);
}

void timer_start(struct conn *conn, uint64_t from_ns, int64_t timeout_ns)
{
    if (timeout_ns <= 0 || (host.disabled & DISABLE_TIMEOUT) || conn->conf->mode != MODE_ENFORCE) {
        timer_stop(conn);
        return;
    }
    if (atomic_load_explicit(&conn->reset_due, memory_order_relaxed))
        return;
    atomic_store_explicit(&conn->deadline_ns, from_ns + (uint64_t)timeout_ns, memory_order_relaxed);
    deadline_lower(from_ns + (uint64_t)timeout_ns);
}
