/* SPDX-License-Identifier: MIT
 * Arithmetic of leases. */
#include "policy/lease.h"

#define UNIT_NS      1000000ull
#define UNBOUNDED_NS 60000000000ull
/* A caller may have looked at the clock, and then been stopped for a while, before it looks at somebody's lease. */
#define BEHIND_NS 60000000000ull

/* No owner word has its low part 0 (registry.h counts generations from 1), so that a lease is never 0. */
uint64_t lease_pack(uint32_t generation, uint32_t owner, uint64_t expiry_ns)
{
    uint32_t expiry = (uint32_t)((expiry_ns + UNIT_NS - 1) / UNIT_NS);
    return (uint64_t)(generation & 0xfff) << 52 | (uint64_t)(owner & 0xfffff) << 32 | expiry;
}

uint32_t lease_owner(uint64_t lease)
{
    return (uint32_t)(lease >> 32) & 0xfffff;
}

bool lease_is_held(uint64_t lease, uint32_t generation, uint64_t now_ns, uint64_t longest_ns)
{
    if (lease == 0 || (uint32_t)(lease >> 52) != (generation & 0xfff))
        return false;
    uint32_t ahead = (uint32_t)lease - (uint32_t)(now_ns / UNIT_NS);
    return ahead != 0 && ahead <= (longest_ns + BEHIND_NS) / UNIT_NS;
}

uint64_t lease_time_ns(int64_t connect_ns, int64_t response_ns)
{
    uint64_t connect = connect_ns > 0 ? (uint64_t)connect_ns : UNBOUNDED_NS;
    uint64_t response = response_ns > 0 ? (uint64_t)response_ns : UNBOUNDED_NS;
    return connect + response;
}
