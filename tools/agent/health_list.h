/* SPDX-License-Identifier: MIT
 * Whom the agent has to check, by the rules and the rows of the segment. Single-threaded; allocates. */
#ifndef RESCTL_AGENT_HEALTH_LIST_H
#define RESCTL_AGENT_HEALTH_LIST_H

#include "agent.h"
#include "probe.h"

struct check {
    struct agent *agent;
    uint32_t row; /* of the endpoint, in the segment */
    char label[SEG_LABEL];
    int64_t interval_ns, rise, fall;
    uint64_t timeout_ns;
    struct probe_aim aim;
    /* Of health.c alone. */
    struct probe probe;
    struct loop_io io;
    struct loop_timer timer; /* the next probe, or the end of the one that runs */
    uint64_t next_ns;
    bool wanted;
    bool complained; /* of the last one: it could not be made */
    struct check *next;
};

/* health_list(agent, grows): what the current rules want, each with malloc(), no endpoint twice. *grows: there are
 * destinations whose endpoints are those that somebody connects to: look again. */
struct check *health_list(struct agent *agent, bool *grows);

/* health_list_same(a, b): whether b asks what a asks. */
bool health_list_same(const struct check *a, const struct check *b);

#endif
