/* SPDX-License-Identifier: MIT
 * Whose limit a limit is: the accounts of bulkheads and rate limiters (bulkhead.per, rate.per).
 *
 * `host` is the destination's own row; `uid` is a row of its own for each user of a shared segment; `process` is the
 * same row of a segment that nobody else maps, so that one ledger serves all three. Exchanges are counted apart from
 * connections, in a row of their own. Any thread; signal safe; the first use of a private account maps memory. */
#ifndef RESIL_CONN_ACCOUNT_H
#define RESIL_CONN_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

struct account {
    const struct segment *segment;
    uint32_t row;
    uint32_t owner; /* this process, in that segment's registry */
};

/* account_find(per, unit, row, name, account): the account of destination `row`, called name; per: PER_* of
 * policy/conf.h; unit: ACCOUNT_OF_*. False without memory or a free row: then there is no limit (counted as a doubt).
 */
bool account_find(int64_t per, uint16_t unit, uint32_t row, const char *name, struct account *account);

/* account_after_fork(): in the child: what was the parent's alone is not the child's. */
void account_after_fork(void);

#endif
