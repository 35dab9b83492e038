/* SPDX-License-Identifier: MIT
 * A probe's lease: one 64-bit word, so that it is taken and given back by one compare-and-swap.
 *
 *   lease = generation:12 | owner:20 | expiry:32      0 = free
 *
 * generation is the breaker's when it was taken: a lease of another one is free. expiry counts
 * milliseconds, rounded up, modulo 2^32 (49 days); one that lies farther ahead than any lease lasts is past. owner is
 * the low part of the registry's owner word: who is dead gives back.
 *
 * Pure; any thread; signal safe.
 */
#ifndef RESIL_POLICY_LEASE_H
#define RESIL_POLICY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

enum { LEASE_OWNER_BITS = 20 };

uint64_t lease_pack(uint32_t generation, uint32_t owner, uint64_t expiry_ns);
uint32_t lease_owner(uint64_t lease);
/* Whether the lease stands in the way of another probe of this generation at now_ns; longest_ns: lease_time_ns(). */
bool lease_is_held(uint64_t lease, uint32_t generation, uint64_t now_ns, uint64_t longest_ns);
/* lease_time_ns(connect_ns, response_ns): the longest honest probe, 60 s where a part is unbounded. */
uint64_t lease_time_ns(int64_t connect_ns, int64_t response_ns);

#endif
