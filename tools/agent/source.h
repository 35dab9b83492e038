/* SPDX-License-Identifier: MIT
 * One look at where endpoints are discovered. Runs in a child of the agent, and waits there: what a hostile answer
 * does, it does to the child alone. What comes out is text, the same for every kind of source:
 *
 *   ADDR:PORT [weight=N] [backup]     one line an endpoint, as in a file that a person writes
 *   # remark                          means nothing; "# index N" is what Consul is asked with next time
 *   ! reason                          there is no answer (never of a command's or a file's own)
 */
#ifndef RESCTL_AGENT_SOURCE_H
#define RESCTL_AGENT_SOURCE_H

#include <stdint.h>
#include <stdio.h>

#include "config/discovery.h"

struct source {
    struct discovery what;
    uint64_t index;   /* CONSUL: of the last answer, 0: none */
    uint64_t wait_ns; /* CONSUL: how long it may wait for a change */
};

/* source_look(source, output): writes the lines to a descriptor, which is closed. Not for EXEC, whose command writes
 * them itself. */
void source_look(void *source, int output);

/* The kinds, by file. */
void source_dns(const struct source *source, FILE *out);    /* DNS */
void source_srv(const struct source *source, FILE *out);    /* SRV */
void source_consul(const struct source *source, FILE *out); /* CONSUL */
void source_k8s(const struct source *source, FILE *out);    /* K8S */

/* source_print(out, address, port, ...): one line; an IPv6 address gets its brackets. weight 0: not said. */
void source_print(FILE *out, const char *address, unsigned port, unsigned weight, int backup);

#endif
