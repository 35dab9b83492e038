/* SPDX-License-Identifier: MIT
 * Answers of the admission: VERDICT(id, "name of the refusal", counter of the refusal). ADMIT and WAIT refuse nothing.
 */
VERDICT(ADMIT, "admitted", attempts)
VERDICT(BREAKER_OPEN, "breaker_open", rejected_breaker)
VERDICT(PROBE_BUSY, "probe_busy", rejected_breaker)
VERDICT(BULKHEAD_FULL, "bulkhead_full", rejected_bulkhead)
VERDICT(QUEUE_FULL, "queue_full", rejected_bulkhead)
VERDICT(QUEUE_TIMEOUT, "queue_timeout", rejected_queue_timeout)
VERDICT(RATE, "rate", rejected_rate)
VERDICT(WAIT, "wait", attempts)
VERDICT(NO_ENDPOINT, "no_endpoint", rejected_no_endpoint)
#undef VERDICT
