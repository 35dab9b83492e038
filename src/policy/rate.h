/* SPDX-License-Identifier: MIT
 * The rate limiter: GCRA (ITU-T I.371, the virtual scheduling form), whose whole state is one word: the theoretical
 * arrival time of the next event. Pure; any thread; signal safe. */
#ifndef RESIL_POLICY_RATE_H
#define RESIL_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"

struct rate_step {
    bool admitted; /* at now + wait_ns */
    uint64_t wait_ns;
    uint64_t next; /* the state when admitted */
};

/* rate_step(state, conf, now_ns, may_wait): one event. may_wait: up to rate.max_wait. */
struct rate_step rate_step(uint64_t state, const struct conf *conf, uint64_t now_ns, bool may_wait);

/* The same for events whose number is known only afterwards (bytes): rate_peek() asks whether one may begin, and does
 * not take it; rate_charge() then moves the state by what it was, into debt where that is more than the burst. */
struct rate_step rate_peek(uint64_t state, const struct conf *conf, uint64_t now_ns, bool may_wait);
uint64_t rate_charge(uint64_t state, const struct conf *conf, uint64_t now_ns, uint64_t events);

#endif
