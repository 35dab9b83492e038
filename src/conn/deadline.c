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
#include "conn/sleeper.h"
#include "conn/timer.h"
#include "conn/track.h"
#include "policy/timeout.h"

/* Time, with the number of the look that goes on in its low bits (0 = none); UINT64_MAX = never. Any thread lowers it
 * or takes the number away; deadline_fire() raises. tests/model/deadline.pml has the protocol. */
static _Atomic uint64_t bound_ns = UINT64_MAX;
static _Atomic uint32_t looks;                    /* so far: two looks of one instant are told apart */
static _Atomic uint64_t shortest_ns = UINT64_MAX; /* any thread lowers, never raised */

#define OFF_RETRY_NS 100000000ull
#define LOOK_NS      10000000ull /* longer than a look at all records takes */
#define UNKNOWN_NS   1000000000ull
#define KNOWN_NS     60000000000ull /* in case that no descriptor is left to wake it with */
#define NUMBER_MASK  255ull

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

/* A time for the bound: 256 ns late at most. */
static uint64_t whole(uint64_t at_ns)
{
    return at_ns > UINT64_MAX - NUMBER_MASK ? UINT64_MAX : (at_ns + NUMBER_MASK) & ~NUMBER_MASK;
}

/* A look that goes on at this moment may have passed the record before it was armed: without its number it cannot raise
 * the bound any more, even where the new deadline lies behind it. The fence puts the record before the bound, as the
 * one in deadline_fire() puts the bound before the records: of the two threads at least one sees what the other did. */
void deadline_lower(uint64_t at_ns)
{
    uint64_t at = whole(at_ns);
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t seen = atomic_load_explicit(&bound_ns, memory_order_relaxed), next;
    do
        next = at < seen ? at : seen == UINT64_MAX ? seen : seen & ~NUMBER_MASK;
    while (next != seen && !atomic_compare_exchange_weak(&bound_ns, &seen, next));
}

void deadline_note(const struct conf *conf)
{
    const int64_t timeouts[] = {timeout_shortest_ns(conf->timeout_connect_ns),
                                timeout_shortest_ns(conf->timeout_probe_ns),
                                timeout_shortest_ns(conf->timeout_response_ns),
                                conf->timeout_idle_ns,
                                conf->timeout_exchange_ns,
                                conf->breaker_slow_time_ns};
    bool none = atomic_load(&shortest_ns) == UINT64_MAX;
    for (unsigned i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        if (timeouts[i] > 0)
            lower(&shortest_ns, (uint64_t)timeouts[i]);
    if (none && atomic_load(&shortest_ns) != UINT64_MAX)
        sleeper_wake();
}

uint64_t deadline_slice_ns(void)
{
    uint64_t shortest =
        atomic_load(&shortest_ns); /* after sleeper_begin(): of it and sleeper_wake() one sees the other */
    if (sleeper_is_known())
        return earlier(shortest, KNOWN_NS);
    return atomic_load_explicit(&host.attach_state, memory_order_relaxed) == ATTACH_NONE ? UNKNOWN_NS : shortest;
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
    /* Whoever arms from here on is not lost: see deadline_lower(). A thread that goes to sleep before this look is over
     * looks again soon, and so does the next one if this thread is ended in the middle of it. */
    uint64_t number = 1 + atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed) % NUMBER_MASK;
    uint64_t look_ns = whole(now_ns + LOOK_NS) | number, next_ns = UINT64_MAX;
    bool first = atomic_compare_exchange_strong(&bound_ns, &reached, look_ns);
    atomic_thread_fence(memory_order_seq_cst);
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
        uint64_t cut_ns = atomic_load_explicit(&conn->cut_ns, memory_order_relaxed);
        if (cut_ns)
            next_ns = earlier(next_ns, cut_ns > now_ns ? cut_ns : now_ns + OFF_RETRY_NS);
        if (parked_ns)
            next_ns = earlier(next_ns, parked_ns);
    }
    if (!first || !atomic_compare_exchange_strong(&bound_ns, &look_ns, whole(next_ns)))
        deadline_lower(next_ns);
}
