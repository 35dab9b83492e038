/* SPDX-License-Identifier: MIT
 * How long one connect() may take when everything in it takes as long as it may. Pure. */
#ifndef RESCTL_WORST_H
#define RESCTL_WORST_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"

#define WORST_UNBOUNDED (-1)

/* Each part is a sum over all attempts, WORST_UNBOUNDED when it has no end that the library sets. */
struct worst {
    int64_t attempts;   /* what is tried at most */
    int64_t attempt_ns; /* of one of them: timeout.connect, or timeout.probe where that is longer */
    int64_t attempts_ns, backoff_ns, queue_ns, rate_ns;
    int64_t reject_ns;   /* reject.delay, of a refusal at the end */
    int64_t total_ns;    /* timeout.total */
    int64_t fallback_ns; /* one attempt at each target, each within timeout.total anew */
    int64_t sum_ns;      /* of all, without regard to timeout.total */
    int64_t worst_ns;    /* the answer */
    bool cut;            /* by timeout.total */
    bool enforced;       /* false: mode is not enforce, and nothing is bounded */
};

/* worst_of(conf, fallbacks): of a destination with so many fallback targets. */
struct worst worst_of(const struct conf *conf, uint32_t fallbacks);

#endif
