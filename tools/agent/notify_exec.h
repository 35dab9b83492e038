/* SPDX-License-Identifier: MIT
 * Event commands, one at a time, in the order of the events.
 *
 * The command is the configuration's own text, and nothing of an event is ever put into it: the event comes as a line
 * of JSON on standard input and as RESIL_EVENT_KIND, _DESTINATION, _ENDPOINT, _FROM, _TO, _REASON, _ERROR, _COUNT,
 * _PID, _PROGRAM and _TIME. What comes faster than the rate, or finds 64 waiting, is skipped; the next command is told
 * how many in RESIL_EVENT_SKIPPED. A command has 30 s, then it is killed with all that it started. Its output goes
 * nowhere. One thread; allocates nothing. */
#ifndef RESCTL_AGENT_NOTIFY_EXEC_H
#define RESCTL_AGENT_NOTIFY_EXEC_H

#include "agent.h"

/* notify_exec_set(agent, command, rate): what is run from now on, "" for nothing; rate an hour. command is copied. */
void notify_exec_set(struct agent *agent, const char *command, uint32_t rate);
void notify_exec(const struct seg_event *event);

/* notify_exec_end(): kills the one that runs, and forgets those that wait. */
void notify_exec_end(void);

#endif
