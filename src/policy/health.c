/* SPDX-License-Identifier: MIT
 * Rise and fall. */
#include "policy/health.h"

#include "base/prng.h"

const char *const health_names[HEALTH_STATES] = {"unknown", "up", "down"};

enum { FRESH_INTERVALS = 3, JITTER_PART = 10 };

uint64_t health_pack(const struct health *health)
{
    return (uint64_t)(health->state & 0xff) << 56 | (uint64_t)(health->streak & 0xff) << 48 |
           (uint64_t)(health->finding & 0xffff) << 32 | health->detail;
}

struct health health_unpack(uint64_t word)
{
    uint32_t state = (uint32_t)(word >> 56);
    return (struct health){.state = state <= HEALTH_DOWN ? state : HEALTH_UNKNOWN,
                           .streak = (uint32_t)(word >> 48) & 0xff,
                           .finding = (uint32_t)(word >> 32) & 0xffff,
                           .detail = (uint32_t)word};
}

static bool enter(struct health *health, enum health_state state)
{
    health->state = state;
    health->streak = 0;
    return true;
}

bool health_step(struct health *health, bool ok, int64_t rise, int64_t fall)
{
    bool against = health->state == HEALTH_DOWN ? ok : !ok;
    if (health->state == HEALTH_UNKNOWN && ok)
        return enter(health, HEALTH_UP);
    health->streak = against ? health->streak + 1 : 0;
    if (health->streak < (health->state == HEALTH_DOWN ? rise : fall))
        return false;
    return enter(health, health->state == HEALTH_DOWN ? HEALTH_UP : HEALTH_DOWN);
}

bool health_is_fresh(uint64_t checked_ns, int64_t interval_ns, uint64_t now_ns)
{
    return checked_ns != 0 && (checked_ns >= now_ns || now_ns - checked_ns <= (uint64_t)interval_ns * FRESH_INTERVALS);
}

uint64_t health_interval_ns(int64_t interval_ns, uint64_t random)
{
    uint64_t part = (uint64_t)interval_ns / JITTER_PART;
    return (uint64_t)interval_ns - part + prng_below(random, 2 * part + 1);
}
