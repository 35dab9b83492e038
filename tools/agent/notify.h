/* SPDX-License-Identifier: MIT
 * The agent's part that does what [events] says: for each event from the moment when the agent became active, of the
 * kinds that `on' names, a command, a line in a log, a message to syslog. Five times a second at most it looks for new
 * ones. */
#ifndef RESCTL_AGENT_NOTIFY_H
#define RESCTL_AGENT_NOTIFY_H

#include "agent.h"

extern const struct agent_part notify_part;

#endif
