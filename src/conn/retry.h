/* SPDX-License-Identifier: MIT
 * Retries of a blocking connect call. Any thread; signal safe. */
#ifndef RESIL_CONN_RETRY_H
#define RESIL_CONN_RETRY_H

#include <stdbool.h>

#include "conn/admit.h"

/* retry_count_call(attempt): a first attempt, for the budget. */
void retry_count_call(const struct attempt *attempt);

/* retry_wait(attempt, number, error, delay_ns): after attempt `number` (1 is the first) failed with error: whether
 * another one follows; then waits for its time, and *delay_ns (0 before the first) is what it waited. */
bool retry_wait(struct attempt *attempt, uint32_t number, int error, uint64_t *delay_ns);

/* retry_ended(attempt, retries, ok): the call is over after that many retries. */
void retry_ended(const struct attempt *attempt, uint32_t retries, bool ok);

#endif
