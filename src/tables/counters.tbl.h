/* SPDX-License-Identifier: MIT
 * Every counter of a destination or endpoint row, once: COUNTER(name, "unit", "help").
 *
 * All are cumulative 64-bit sums that never go back while the segment lives. Names and help travel in
 * the segment's counter directory, so that any resctl can print the counters of any library.
 * Append only: a row's position is its index in the segment.
 */
COUNTER(attempts, "", "connection attempts handed to the kernel or stopped by chaos")
COUNTER(connects_ok, "", "attempts that connected")
COUNTER(connects_failed, "", "attempts that failed, timeouts included")
COUNTER(connect_timeouts, "", "attempts that ran into timeout.connect, timeout.probe or timeout.total")
COUNTER(exchanges_ok, "", "exchanges whose answer began in time")
COUNTER(exchanges_failed, "", "exchanges that failed, timeouts, resets and empty answers included")
COUNTER(response_timeouts, "", "exchanges that ran into timeout.response")
COUNTER(idle_timeouts, "", "answers that stalled longer than timeout.idle")
COUNTER(exchange_timeouts, "", "exchanges that ran into timeout.exchange")
COUNTER(tls_alerts, "", "TLS handshakes that the server answered with a fatal alert")
COUNTER(protocol_errors, "", "answers that `sniff` found to be failures")
COUNTER(overloads, "", "answers that `sniff` found to ask for less (HTTP 429)")
COUNTER(replays, "", "requests sent again (retry.replay)")
COUNTER(resets, "", "exchanges ended by a reset or another error of the connection")
COUNTER(empty_responses, "", "connections closed by the peer before the first byte of an answer")
COUNTER(abandoned, "", "connects and exchanges that the application gave up")
COUNTER(stale, "", "reused connections that the peer had already closed")
COUNTER(rejected_breaker, "", "calls refused by an open or half-open breaker")
COUNTER(rejected_bulkhead, "", "calls refused because the bulkhead was full")
COUNTER(rejected_queue_timeout, "", "calls that waited in the queue for too long")
COUNTER(rejected_rate, "", "calls refused by the rate limit")
COUNTER(would_reject, "", "calls that were let through only because of mode = observe or enforce")
COUNTER(retries, "", "further attempts of connect calls")
COUNTER(retries_ok, "", "connect calls that a retry saved")
COUNTER(retries_exhausted, "", "connect calls that failed with retries on: no attempt, time or budget left")
COUNTER(opened, "", "transitions to open")
COUNTER(half_opened, "", "transitions to half-open")
COUNTER(closed, "", "transitions to closed")
COUNTER(probes, "", "calls admitted as probes")
COUNTER(late, "", "results of an older breaker generation: statistics only")
COUNTER(ignored, "", "results without meaning for the breaker")
COUNTER(local_errors, "", "attempts that failed for a reason on this host")
COUNTER(chaos_injected, "", "faults injected")
COUNTER(reclaimed, "", "slots and leases taken back from processes that died")
COUNTER(bytes_out, "bytes", "bytes that the application wrote")
COUNTER(bytes_in, "bytes", "bytes that the application read")
#undef COUNTER
