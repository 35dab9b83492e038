/* SPDX-License-Identifier: MIT
 * What a probe says to a server, and what it makes of the answer. Pure. */
#ifndef RESCTL_AGENT_PROBE_ASK_H
#define RESCTL_AGENT_PROBE_ASK_H

#include "probe.h"

/* probe_request(target, out, size): what to send once connected; its length, 0: nothing is to be said. */
size_t probe_request(const struct target *target, char *out, size_t size);

/* probe_judge(kind, answer, length, result): false while more of the answer is needed. */
bool probe_judge(enum probe_kind kind, const char *answer, size_t length, struct probe_result *result);

/* probe_memory(limit_ppm, result): the share of memory in use now. */
void probe_memory(uint32_t limit_ppm, struct probe_result *result);

#endif
