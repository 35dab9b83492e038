/* SPDX-License-Identifier: MIT
 * The cache of living owners. */
#include "liveness.h"

#include "policy/lease.h"
#include "segment/registry.h"

bool liveness_ask(struct liveness *liveness, uint32_t owner)
{
    uint32_t index = owner_index(owner);
    if (owner == 0)
        return false;
    if (liveness->known[index].owner != owner) {
        liveness->known[index].owner = owner;
        liveness->known[index].alive = registry_alive(liveness->segment, owner);
    }
    return liveness->known[index].alive;
}

bool liveness_ask_lease(struct liveness *liveness, uint64_t lease)
{
    uint32_t owner = registry_owner_at(liveness->segment, owner_index(lease_owner(lease)));
    uint32_t mask = (1u << LEASE_OWNER_BITS) - 1;
    return (owner & mask) == lease_owner(lease) && liveness_ask(liveness, owner);
}

uint32_t liveness_count(struct liveness *liveness)
{
    uint32_t used = atomic_load(&seg_header(liveness->segment)->processes_used);
    uint32_t count = 0;
    for (uint32_t i = 0; i < used && i < SEG_PROCESSES; i++)
        count += liveness_ask(liveness, registry_owner_at(liveness->segment, i));
    return count;
}
