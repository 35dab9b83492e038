/* SPDX-License-Identifier: MIT
 * Fallback: where a connect call goes when its destination refused it, failed, or had no time or room for it.
 *
 * The outermost wrapper of the call: everything else (retries, timeout.total, waits) is over when it is asked. Each
 * target is tried once, in the order of the list, on the same descriptor, and has a row, a breaker and an account of
 * connections of its own; neither bulkhead, rate nor chaos of the destination applies to it. Any thread; signal safe;
 * never sleeps. */
#ifndef RESIL_CONN_FALLBACK_H
#define RESIL_CONN_FALLBACK_H

#include <stdbool.h>

#include "conn/admit.h"

/* fallback_left(attempt): whether there is a target that the call has not been sent to. */
bool fallback_left(const struct attempt *attempt);

/* fallback_next(attempt, error): the call has failed: with error, or it was refused by us (attempt->refused,
 * attempt->verdict). True when it goes on at a target: fallback_begin() then aims there. Targets that the socket cannot
 * reach are passed over, each with an event. */
bool fallback_next(struct attempt *attempt, int error);

/* fallback_is_due(attempt): fallback_next() said so. */
static inline bool fallback_is_due(const struct attempt *attempt)
{
    return attempt->next_target > attempt->target && attempt->next_target <= attempt->destination->fallbacks;
}

/* fallback_begin(attempt): tells the destination's breaker what the call still kept of it, and aims at the target.
 * timeout.total begins anew. */
void fallback_begin(struct attempt *attempt);

#endif
