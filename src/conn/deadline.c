/* SPDX-License-Identifier: MIT
 * The lower bound of all deadlines. */
#include "conn/deadline.h"

#include <stdatomic.h>

#include "conn/conn.h"
#include "conn/exchange.h"
#include "conn/host.h"
#include "conn/pace.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/timeout.h"

static _Atomic uint64_t bound_ns = UINT64_MAX;    /* any thread lowers; deadline_fire() raises */
static _Atomic uint64_t shortest_ns = UINT64_MAX; /* any thread lowers, never raised */

#define OFF_RETRY_NS 100000000ull
#define LOOK_NS      10000000ull /* longer than a look at all records takes */
#define UNKNOWN_NS   1000000000ull

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void lower(_Atomic uint64_t *value, uint64_t to)
{
    uint64_t seen = atomic_load_explicit(value, memory_order_relaxed);
    while (to < seen && !atomic_compare_exchange_weak(value, &seen, to))
        ;
}

void deadline_lower(uint64_t at_ns)
{
    lower(&bound_ns, at_ns);
}

void deadline_note(const struct conf *conf)
{
    const int64_t timeouts[] = {timeout_shortest_ns(conf->timeout_connect_ns),
                                timeout_shortest_ns(conf->timeout_probe_ns),
                                timeout_shortest_ns(conf->timeout_response_ns),
                                conf->timeout_idle_ns,
                                conf->timeout_exchange_ns,
                                conf->breaker_slow_time_ns};
    for (unsigned i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        if (timeouts[i] > 0)
            lower(&shortest_ns, (uint64_t)timeouts[i]);
}

uint64_t deadline_slice_ns(void)
{
    if (atomic_load_explicit(&host.attach_state, memory_order_relaxed) == ATTACH_NONE)
        return UNKNOWN_NS;
    return atomic_load_explicit(&shortest_ns, memory_order_relaxed);
}

uint64_t deadline_next(uint64_t now_ns)
{
    uint64_t bound = atomic_load_explicit(&bound_ns, memory_order_relaxed);
    uint64_t shortest = deadline_slice_ns();
    if (shortest > UINT64_MAX - now_ns)
        return bound;
    return bound < now_ns + shortest ? bound : now_ns + shortest;
}

void deadline_fire(uint64_t now_ns)
{
    uint32_t index = 0;
    uint64_t reached = atomic_load(&bound_ns);
    if (now_ns < reached)
        return;
    /* Whoever arms from here on lowers it and is not lost; a thread that goes to sleep before this look is over looks
     * again soon, and so does the next one if this thread is ended in the middle of it. */
    uint64_t look_ns = now_ns + LOOK_NS, next_ns = UINT64_MAX;
    atomic_compare_exchange_strong(&bound_ns, &reached, look_ns);
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index)) {
        if (park_is_due(conn, now_ns) && !pace_again(conn, now_ns) && !pending_due(conn, now_ns))
            park_end(conn);
        exchange_slow(conn, now_ns);
        uint64_t new_ns = exchange_look(conn, now_ns);
        track_expire(conn, now_ns);
        uint64_t deadline_ns = timer_next_ns(conn);
        uint64_t parked_ns = atomic_load_explicit(&conn->parked_ns, memory_order_relaxed);
        if (deadline_ns) /* one that is due but not fired (the kill switch is on) must not spin */
            next_ns = earlier(next_ns, deadline_ns > now_ns ? deadline_ns : now_ns + OFF_RETRY_NS);
        if (new_ns)
            next_ns = earlier(next_ns, new_ns);
        if (parked_ns)
            next_ns = earlier(next_ns, parked_ns);
    }
    if (!atomic_compare_exchange_strong(&bound_ns, &look_ns, next_ns))
        lower(&bound_ns, next_ns);
}
