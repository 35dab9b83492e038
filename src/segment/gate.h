/* SPDX-License-Identifier: MIT
 * The breaker of a row: compare-and-swap loops around the pure steps of src/policy.
 *
 * Who may move what: any process, at any time. The word of the breaker moves only by whole steps. A
 * transition is announced (counter, event) by the process whose compare-and-swap won; if it dies before,
 * the state is right and only the announcement is missing. Any thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_GATE_H
#define RESIL_SEGMENT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/breaker.h"
#include "segment/segment.h"

struct gate {
    const struct segment *segment;
    uint32_t row; /* where the breaker stands: an endpoint's row or its destination's */
    const struct conf *conf;
    uint32_t owner;
    bool above; /* of a destination whose endpoints have the breakers: only a forced state stands at this row */
    const char *program; /* for events */
    uint32_t uid;        /* likewise, of who forces, trips or resets */
    uint64_t priority;   /* of the call: while half-open, higher goes first */
};

/* What an admitted call keeps until its end. */
struct admission {
    struct ticket ticket;
    uint32_t lease_index;
    uint64_t lease;   /* 0: none */
    uint64_t counted; /* where the window counted it while it was in flight, 0 = it did not */
    bool spent;       /* a probe that was judged while it was in flight: its end says nothing */
};

/* gate_admit(gate, now_ns, admission): the breaker's verdict; ADMIT fills *admission. */
enum verdict gate_admit(const struct gate *gate, uint64_t now_ns, struct admission *admission);

/* gate_result(gate, admission, outcome, slow, now_ns, random, retry_after_ns): the end of a call; gives the lease back
 * last. Moves the counters of the breaker; those of the observation are the caller's. retry_after_ns: as in
 * breaker_result(). */
void gate_result(const struct gate *gate, struct admission *admission, enum outcome outcome, bool slow, uint64_t now_ns,
                 uint64_t random, uint64_t retry_after_ns);

/* gate_good(gate, admission, now_ns): the end of a call that succeeded in time, in the usual case: the breaker is at
 * rest and no call of the window failed or was slow. False: it is not so, or not any more; gate_result() has to judge.
 */
bool gate_good(const struct gate *gate, struct admission *admission, uint64_t now_ns);

/* gate_slow(gate, admission, now_ns, random): the call is still in flight and has passed breaker.slow_time: it is
 * counted now; its end will not count it again as slow. */
void gate_slow(const struct gate *gate, struct admission *admission, uint64_t now_ns, uint64_t random);

/* gate_ticket(gate, admission): a ticket for a further call on a connection that is admitted already. */
void gate_ticket(const struct gate *gate, struct admission *admission);

/* gate_give_back(gate, admission): the call ended without a result. */
void gate_give_back(const struct gate *gate, struct admission *admission);

/* gate_reset(gate): resctl reset. Also clears a forced state. */
void gate_reset(const struct gate *gate);

/* gate_healthy(gate, now_ns): active checks found that the endpoint is up again: closes a breaker that is open or
 * half-open, so that nobody has to wait for a probe that the checks have made already; from now on the endpoint counts
 * as come back (balance.slow_start). */
void gate_healthy(const struct gate *gate, uint64_t now_ns);

/* gate_force(gate, state, until_ns, now_ns): lays STATE_FORCED_OPEN, STATE_FORCED_CLOSED or STATE_DRAINING over the
 * breaker (segment/force.h) until that time, 0 = until it is taken away: with STATE_CLOSED. Each way, and when the time
 * is over, the breaker begins anew, so that earlier results are late; while it is forced nothing is counted. At a
 * destination's row it holds for all endpoints, whose own breakers stand as they are meanwhile. */
void gate_force(const struct gate *gate, enum state state, uint64_t until_ns, uint64_t now_ns);

/* gate_trip(gate, open_ns, now_ns, random): resctl trip: opens the breaker for open_ns, 0 = as its rules say. */
void gate_trip(const struct gate *gate, uint64_t open_ns, uint64_t now_ns, uint64_t random);

/* Why and when (wall clock, ms) the breaker entered its state, and after how many consecutive failures it opened; for
 * display. */
enum reason gate_reason(const struct seg_row *row, uint64_t *wall_ms, uint32_t *failures);

#endif
