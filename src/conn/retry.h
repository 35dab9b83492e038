/* SPDX-License-Identifier: MIT
 * Retries of a connect call: only before anything of the application was sent. Any thread; signal safe; never sleeps.
 */
#ifndef RESIL_CONN_RETRY_H
#define RESIL_CONN_RETRY_H

#include <stdbool.h>

#include "conn/admit.h"

/* retry_count_call(attempt): a first attempt, for the budget. */
void retry_count_call(const struct attempt *attempt);

/* retry_next(attempt, error, wait_ns): the attempt failed with error: whether another one follows, after *wait_ns.
 * retry_count() then counts it. When there is none left, the call may go on at a fallback: then retry_count() aims it
 * there (conn/fallback.h). */
bool retry_next(struct attempt *attempt, int error, uint64_t *wait_ns);
/* retry_may(): the same whatever the failure was: attempts, time and budget alone. */
bool retry_may(struct attempt *attempt, uint64_t *wait_ns);
void retry_count(struct attempt *attempt);

/* retry_ended(attempt, ok): the call is over. */
void retry_ended(const struct attempt *attempt, bool ok);

#endif
