/* SPDX-License-Identifier: MIT
 * Arithmetic of leases. */
#include "policy/lease.h"

enum { EXPIRY_SHIFT = 22 };
#define UNBOUNDED_NS 60000000000ull

uint64_t lease_pack(uint32_t generation, uint32_t owner, uint64_t expiry_ns)
{
    uint32_t expiry = (uint32_t)((expiry_ns >> EXPIRY_SHIFT) + 1);
    if (expiry == 0)
        expiry = 1;
    return (uint64_t)(generation & 0xfff) << 52 | (uint64_t)(owner & 0xfffff) << 32 | expiry;
}

uint32_t lease_owner(uint64_t lease)
{
    return (uint32_t)(lease >> 32) & 0xfffff;
}

bool lease_is_held(uint64_t lease, uint32_t generation, uint64_t now_ns)
{
    if (lease == 0 || (uint32_t)(lease >> 52) != (generation & 0xfff))
        return false;
    int32_t ahead = (int32_t)((uint32_t)lease - (uint32_t)(now_ns >> EXPIRY_SHIFT));
    return ahead > 0;
}

uint64_t lease_time_ns(int64_t connect_ns, int64_t response_ns)
{
    uint64_t connect = connect_ns > 0 ? (uint64_t)connect_ns : UNBOUNDED_NS;
    uint64_t response = response_ns > 0 ? (uint64_t)response_ns : UNBOUNDED_NS;
    return connect + response;
}
