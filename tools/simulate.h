/* SPDX-License-Identifier: MIT
 * The policy engine in virtual time: the library's own breaker, bulkhead and rate limiter on a private segment, with a
 * clock that the script moves. For `resctl simulate`. */
#ifndef RESCTL_SIMULATE_H
#define RESCTL_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/rules.h"
#include "segment/gate.h"
#include "segment/ledger.h"

enum { SIM_CALLS = 4000, SIM_ID = 64 };

/* QUEUED: for a slot; WAITING: for its turn of the rate limiter. */
enum sim_state { SIM_FREE, SIM_OPEN, SIM_QUEUED, SIM_WAITING };

/* A call between its begin and its end; each has a process of its own, so that it can be killed. */
struct sim_call {
    enum sim_state state;
    char id[SIM_ID];
    uint32_t owner;
    struct admission admission;
    struct slot slot;
    uint64_t begin_ns, expiry_ns, priority;
    uint64_t slow_ns; /* when it counts as slow in flight, 0 = never, or it did */
};

struct sim {
    struct segment segment;
    struct conf conf;
    const struct rules *rules;
    const struct rule_destination *destination;
    uint32_t kept; /* balance.affinity = process: the endpoint chosen last + 1, 0 = none yet */
    uint32_t row;
    uint64_t now_ns, seed, draws;
    uint32_t calls_used; /* no call at or above this index was ever open */
    struct sim_call call[SIM_CALLS];
};

/* sim_start(sim, seed): an empty segment at time 0. False without memory. conf is to be set by the caller. */
bool sim_start(struct sim *sim, uint64_t seed);

/* sim_begin(sim, call, may_wait, priority): asks for admission at sim->now_ns; fills the call. Returns the RESULT. */
const char *sim_begin(struct sim *sim, struct sim_call *call, bool may_wait, uint64_t priority);
/* How a call ended. */
struct sim_result {
    enum outcome outcome;
    bool timed_out; /* a failure that says how long was waited in vain */
};

/* sim_end(sim, call, result): "done", or "late"; the call is free afterwards. */
const char *sim_end(struct sim *sim, struct sim_call *call, struct sim_result result);
/* sim_kill(sim, call): its owner dies. */
void sim_kill(struct sim *sim, struct sim_call *call);
/* sim_force(sim, state): 0, STATE_FORCED_OPEN or STATE_FORCED_CLOSED. */
void sim_force(struct sim *sim, enum state state);

/* The next random number. */
uint64_t sim_draw(struct sim *sim);

/* sim_find(sim, id): the open or queued call of that name; "" finds a free place. NULL when there is none. */
struct sim_call *sim_find(struct sim *sim, const char *id);

/* sim_pass(sim, until_ns, out): the queue's own events up to until_ns: waits that end. sim_turns(): calls that get
 * their turn now. Both print a line for each. */
void sim_pass(struct sim *sim, uint64_t until_ns, FILE *out);
void sim_turns(struct sim *sim, FILE *out);

/* sim_pick(sim, picks, out): prints that many choices among the destination's endpoints, separated by commas. False
 * when it has none. */
bool sim_pick(struct sim *sim, uint32_t picks, FILE *out);

/* sim_mark(sim): forgets the last reason. sim_state(sim, out): prints " state=... [reason=...]". */
void sim_mark(struct sim *sim);
void sim_state(const struct sim *sim, FILE *out);
/* sim_show(sim, out): prints every counter and rate as " k=v". */
void sim_show(const struct sim *sim, FILE *out);

#endif
