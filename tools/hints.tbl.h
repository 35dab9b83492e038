/* SPDX-License-Identifier: MIT
 * What is legal in a configuration and probably not meant, once: HINT(id, "what is dubious"). The ids are a contract.
 *
 * The function of a row is hint_ID() in the file of its subject, hints_*.c. Order: as `resctl check` prints them.
 */
/* hints_match.c */
HINT(shadowed, "a pattern of `match` that an earlier or more exact one keeps from ever winning")
HINT(never_matches, "a pattern that no stream connection can fit: a multicast address, app= with a slash")
/* hints_use.c */
HINT(never_enforced, "`enforce = 0%`: `mode = observe` says so more clearly")
HINT(no_effect, "a key of the destination that does nothing while another one is off")
HINT(observed_endpoints, "`endpoints` with `mode = observe`: connects are not moved")
HINT(first_of_many, "`discover` with `balance = first`: the other endpoints only stand by")
HINT(cut_check, "`health.check.timeout` is longer than `health.check.interval`, and cut to it")
HINT(wrong_speaker, "`first_byte` against the protocol of `sniff`")
HINT(has_chaos, "faults will be injected")
HINT(no_protection, "the breaker and every timeout are off")
/* hints_breaker.c */
HINT(deaf_breaker, "the breaker judges failures, but nothing ends a hanging call")
HINT(ignores_all, "`breaker.ignore` names every failure")
HINT(rare_calls, "`breaker.min_calls` are more than `rate.limit` lets through within `breaker.window`")
HINT(few_calls, "`breaker.min_calls` are more than `breaker.window_calls`")
HINT(tight_lumping, "`breaker.errors`, `breaker.lumping` apart, hardly fit into `breaker.window`")
HINT(never_slow, "`breaker.slow_time` is not shorter than the timeout that ends the call")
HINT(short_open_time, "`breaker.open_time` is shorter than `timeout.connect`")
HINT(long_probe, "`timeout.probe` is longer than `breaker.open_time`")
HINT(low_open_max, "`breaker.open_max` is below `breaker.open_time`")
/* hints_time.c */
HINT(slow_api, "`timeout.response` above 5s, or off, with the preset `api`")
HINT(untimed_answers, "timeouts of answers with `first_byte = none`")
HINT(late_response, "`timeout.response` is longer than `timeout.exchange`")
HINT(short_total, "`timeout.total` is shorter than `timeout.connect`")
HINT(cut_retries, "attempts and delays that `timeout.total` cuts")
HINT(cut_wait, "`bulkhead.queue_timeout` or `rate.max_wait` is longer than `timeout.total`")
HINT(long_connect, "one connect() with retries may take more than a minute")
HINT(retry_storm, "retries without a budget")
HINT(retries_nothing, "`retry.attempts` with `retry.on = none`")
HINT(low_retry_max, "`retry.max` is below `retry.base`")
/* hints_limits.c */
HINT(crossed_bounds, "`bulkhead.min` is above `bulkhead.max`")
HINT(outside_bounds, "`bulkhead.limit` is outside of `bulkhead.min` and `.max`")
HINT(nothing_drops, "`bulkhead.adaptive = aimd` without `timeout.response`")
HINT(wide_endpoints, "`bulkhead.endpoint_limit` is above `bulkhead.limit`")
HINT(long_queue, "a queue so long that its last place is hardly reached within `bulkhead.queue_timeout`")
HINT(endless_queue, "a queue without any bound in time")
HINT(small_burst, "`rate.burst` of bytes below what one packet carries")
HINT(late_turn, "`rate.max_wait` is shorter than the time between two turns")
#undef HINT
