/* SPDX-License-Identifier: MIT
 * Deadlines of single connections. */
#include "conn/timer.h"

#include "conn/deadline.h"
#include "conn/host.h"

static bool enforced(const struct conn *conn)
{
    return conn->conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_TIMEOUT);
}

void timer_stop(struct conn *conn)
{
    atomic_store_explicit(&conn->exchange_end_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->slow_at_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->deadline_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->cut_ns, 0, memory_order_relaxed);
}

void timer_start(struct conn *conn, uint64_t from_ns, int64_t timeout_ns)
{
    uint64_t end_ns = atomic_load_explicit(&conn->exchange_end_ns, memory_order_relaxed);
    if (timeout_ns > 0 && enforced(conn) && (end_ns == 0 || from_ns + (uint64_t)timeout_ns < end_ns))
        end_ns = from_ns + (uint64_t)timeout_ns;
    atomic_store_explicit(&conn->deadline_ns, end_ns, memory_order_relaxed);
    if (end_ns)
        deadline_lower(end_ns);
}

void timer_exchange(struct conn *conn, uint64_t from_ns)
{
    const struct conf *conf = conn->conf;
    bool limited = conf->timeout_exchange_ns > 0 && enforced(conn);
    uint64_t end_ns = limited ? from_ns + (uint64_t)conf->timeout_exchange_ns : 0;
    atomic_store_explicit(&conn->exchange_end_ns, end_ns, memory_order_relaxed);
    timer_slow(conn, from_ns);
    timer_start(conn, from_ns, timer_response_ns(conn));
}

void timer_slow(struct conn *conn, uint64_t from_ns)
{
    const struct conf *conf = conn->conf;
    if (conf->breaker_slow_time_ns <= 0 || (host.disabled & DISABLE_BREAKER))
        return;
    uint64_t at_ns = from_ns + (uint64_t)conf->breaker_slow_time_ns + 1; /* slow is longer than slow_time */
    atomic_store_explicit(&conn->slow_at_ns, at_ns, memory_order_relaxed);
    deadline_lower(at_ns);
}

uint64_t timer_next_ns(const struct conn *conn)
{
    uint64_t deadline_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
    uint64_t slow_ns = atomic_load_explicit(&conn->slow_at_ns, memory_order_relaxed);
    return slow_ns && (deadline_ns == 0 || slow_ns < deadline_ns) ? slow_ns : deadline_ns;
}

bool timer_exchange_is_over(const struct conn *conn, uint64_t now_ns)
{
    uint64_t end_ns = atomic_load_explicit(&conn->exchange_end_ns, memory_order_relaxed);
    return end_ns != 0 && now_ns >= end_ns;
}
