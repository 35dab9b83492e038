/* SPDX-License-Identifier: MIT
 * Who is the active agent of a segment: one word of its header, {owner:32, tenths of a second on the monotonic
 * clock:32}.
 *
 * The active agent renews it by a compare-and-swap of what it wrote last: when that fails, it is the active one no
 * longer. Another one takes it when nobody has it, when its owner is dead (segment/registry.h), or when it was not
 * renewed for AGENT_LEASE_NS, because its owner is stopped. Owner and time move as one, so that a new lease is never
 * old. Single-threaded; signal safe; no allocation.
 */
#ifndef RESCTL_AGENT_LEASE_H
#define RESCTL_AGENT_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

#define AGENT_LEASE_NS 10000000000ull
#define AGENT_BEAT_NS  500000000ull /* how often it is renewed, and looked at by those who wait */

/* agent_lease_take(segment, owner, now_ns): renews the caller's lease or takes one that may be had; false when somebody
 * else has it. *held: the word that the caller wrote last, 0 at first. */
bool agent_lease_take(const struct segment *segment, uint32_t owner, uint64_t now_ns, uint64_t *held);
void agent_lease_drop(const struct segment *segment, uint64_t *held);

/* What readers see. */
struct agent_lease {
    uint32_t pid;    /* of the active agent, 0: nobody has the lease, or its owner is gone */
    uint64_t age_ns; /* since it was renewed */
    bool active;     /* alive, and renewed lately */
};
struct agent_lease agent_lease_read(const struct segment *segment, uint64_t now_ns);

#endif
