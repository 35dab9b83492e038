/* SPDX-License-Identifier: MIT
 * `resctl agent`: what its parts share.
 *
 * The agent does for a segment what no preloaded library can: whatever has to happen without a call of an application.
 * One is active for a segment (lease.h); others wait, and take over when it is gone. Everything runs in one loop
 * (loop.h), one concern in a file of its own, entered in the table of parts in agent.c.
 */
#ifndef RESCTL_AGENT_AGENT_H
#define RESCTL_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "../choose.h"
#include "config/live.h"
#include "loop.h"
#include "segment/events.h"
#include "segment/segment.h"

#define AGENT_PROGRAM "resctl-agent" /* its name in the registry and in events */

struct agent {
    struct loop loop;
    struct segment segment;
    char path[SEGMENT_PATH];
    struct option_list listen, hosts; /* as given */
    bool allow_control;
    const char *token_file;
    uint32_t owner;          /* in the registry */
    uint64_t lease;          /* as lease.h wrote it last, 0: not active */
    bool active;             /* between begin() and end() of the parts */
    struct rules *rules;     /* a valid copy of what is published, NULL: none; anew before rules() of the parts */
    const struct live *live; /* what is laid over them, in the same memory; NULL: nothing */
    uint64_t generation;     /* of the copy */
    uint64_t variants;       /* which of them stand at this moment, as a sum: they end by themselves */
    struct loop_timer beat;
    int code; /* with which the command ends */
};

/* One concern. Any function may be NULL. */
struct agent_part {
    const char *name;
    bool (*open)(struct agent *agent);  /* once at the start, active or not; false after a complaint ends the agent */
    void (*begin)(struct agent *agent); /* the agent became active: agent->rules are current */
    void (*rules)(struct agent *agent); /* agent->rules are others (maybe NULL) than before; only while active */
    void (*end)(struct agent *agent);   /* no longer active: nothing of begin() may go on */
    void (*close)(struct agent *agent); /* at the end of the agent; after end() */
};

/* agent_say(format, ...): one line "resctl agent: ..." on stderr, with the time. Text from outside has to be escaped
 * (print.h). */
void agent_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* agent_event(agent, kind, row, count): an event of the agent's own; row ROW_NONE: of no destination. */
void agent_event(const struct agent *agent, enum event_kind kind, uint32_t row, uint64_t count);

/* agent_is_active(agent): whether the lease is still held, asked of the segment itself: before each write that only the
 * active agent may make. */
bool agent_is_active(const struct agent *agent);

/* agent_destination(agent, index, rules): a destination of agent->rules as it is at this moment, and in *rules the
 * block that its texts and endpoints are in. */
const struct rule_destination *agent_destination(const struct agent *agent, uint32_t index, const struct rules **rules);

/* agent_look(agent): looks for new rules now, not at the next beat. */
void agent_look(struct agent *agent);

#endif
