/* SPDX-License-Identifier: MIT
 * The configuration file into the segment: at the start where rules are missing, at SIGHUP in any case.
 *
 * A file with errors replaces nothing: they are printed, kept in the segment for `resctl status`, and the rules of
 * before stay. Single-threaded; allocates. */
#ifndef RESCTL_AGENT_LOAD_H
#define RESCTL_AGENT_LOAD_H

#include "agent.h"

/* load_missing(agent): publishes when the segment has no rules. */
void load_missing(struct agent *agent);

/* load_again(agent): reads the file anew; true when it was good and is published. */
bool load_again(struct agent *agent);

#endif
