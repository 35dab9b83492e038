/* SPDX-License-Identifier: MIT
 * Whether owners are alive, asked once for each: registry_alive() costs system calls. */
#ifndef RESCTL_LIVENESS_H
#define RESCTL_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

struct liveness {
    const struct segment *segment;
    struct {
        uint32_t owner; /* 0: nobody was asked for at this index */
        bool alive;
    } known[SEG_PROCESSES];
};

bool liveness_ask(struct liveness *liveness, uint32_t owner);

/* liveness_ask_lease(liveness, lease): the same of a probe's holder, of whom the lease names the low bits only. */
bool liveness_ask_lease(struct liveness *liveness, uint64_t lease);

/* liveness_count(liveness): processes that are attached and alive. */
uint32_t liveness_count(struct liveness *liveness);

#endif
