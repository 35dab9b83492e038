/* SPDX-License-Identifier: MIT
 * Breaker states: STATE(id, "name"). The first three are the breaker's own and stand in its word; the
 * others are administrative and stand in a field of their own (see breaker_shown_state()).
 *
 *   CLOSED ----trip----> OPEN ----open time over----> HALF_OPEN
 *     ^                    ^                            |   |
 *     |                    +--------probe failed--------+   |
 *     +-------------------------probes succeeded------------+
 */
STATE(CLOSED, "closed")
STATE(OPEN, "open")
STATE(HALF_OPEN, "half_open")
STATE(FORCED_OPEN, "forced_open")
STATE(FORCED_CLOSED, "forced_closed")
STATE(DRAINING, "draining")
#undef STATE
