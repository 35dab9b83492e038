/* SPDX-License-Identifier: MIT
 * Active checks of endpoints (`health.check`): one probe after the other for each endpoint that is configured,
 * discovered, or, where a destination has none of those, was connected to or is named by its match.
 *
 * What is found stands in the endpoint's row of the segment, where the library reads it (conn/steer.c); only the active
 * agent writes there. When it dies the facts get old, and nobody believes them. A part of the agent (agent.h).
 */
#ifndef RESCTL_AGENT_HEALTH_H
#define RESCTL_AGENT_HEALTH_H

#include "agent.h"

extern const struct agent_part health_part;

#endif
