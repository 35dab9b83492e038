/* SPDX-License-Identifier: MIT
 * The agent's lease. */
#include "lease.h"

#include "segment/registry.h"

#define TENTH_NS 100000000ull

static uint64_t make_word(uint32_t owner, uint64_t now_ns)
{
    return (uint64_t)owner << 32 | (uint32_t)(now_ns / TENTH_NS);
}

static uint32_t owner_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* A word from the future (another boot's, or hostile) is as old as can be. */
static uint64_t age_ns_of(uint64_t word, uint64_t now_ns)
{
    return (uint64_t)((uint32_t)(now_ns / TENTH_NS) - (uint32_t)word) * TENTH_NS;
}

static bool may_be_had(const struct segment *segment, uint64_t word, uint64_t now_ns)
{
    uint32_t owner = owner_of(word);
    return owner == 0 || age_ns_of(word, now_ns) > AGENT_LEASE_NS || !registry_alive(segment, owner);
}

bool agent_lease_take(const struct segment *segment, uint32_t owner, uint64_t now_ns, uint64_t *held)
{
    _Atomic uint64_t *lease = &seg_header(segment)->agent;
    uint64_t seen = atomic_load(lease), mine = make_word(owner, now_ns);
    bool renews = *held != 0 && seen == *held;
    if ((renews || may_be_had(segment, seen, now_ns)) && atomic_compare_exchange_strong(lease, &seen, mine)) {
        *held = mine;
        return true;
    }
    *held = 0;
    return false;
}

void agent_lease_drop(const struct segment *segment, uint64_t *held)
{
    uint64_t seen = *held;
    if (seen)
        atomic_compare_exchange_strong(&seg_header(segment)->agent, &seen, 0);
    *held = 0;
}

struct agent_lease agent_lease_read(const struct segment *segment, uint64_t now_ns)
{
    uint64_t word = atomic_load(&seg_header(segment)->agent);
    uint32_t owner = owner_of(word);
    struct agent_lease lease = {.age_ns = age_ns_of(word, now_ns)};
    if (owner == 0 || registry_owner_at(segment, owner_index(owner)) != owner || !registry_alive(segment, owner))
        return lease;
    lease.pid = atomic_load(&seg_process(segment, owner_index(owner))->pid);
    lease.active = lease.age_ns <= AGENT_LEASE_NS;
    return lease;
}
