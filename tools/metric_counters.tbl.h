/* SPDX-License-Identifier: MIT
 * Counters of a row as metrics: COUNTED("family", SCOPE, "label", "value", "counter", "minus", "help").
 *
 * family   without "_total"; the rows of one family stand together, and the first has its help
 * SCOPE    ROW: the destination ("*") and each endpoint; DESTINATION: the destination alone
 * label    with its value; "" for a family without one
 * minus    a counter that is contained in the first one and has a row of its own; "" for none
 *
 * A counter that stands in no row here is shown as resil_NAME_total, with the help of its table.
 */
COUNTED("resil_connects", ROW, "result", "ok", "connects_ok", "", "connection attempts by what became of them")
COUNTED("resil_connects", ROW, "result", "timeout", "connect_timeouts", "", "")
COUNTED("resil_connects", ROW, "result", "failed", "connects_failed", "connect_timeouts", "")
COUNTED("resil_connects", ROW, "result", "local_error", "local_errors", "", "")
COUNTED("resil_rejected", DESTINATION, "reason", "breaker_open", "rejected_breaker", "",
        "calls that were refused, by reason")
COUNTED("resil_rejected", DESTINATION, "reason", "bulkhead_full", "rejected_bulkhead", "", "")
COUNTED("resil_rejected", DESTINATION, "reason", "queue_timeout", "rejected_queue_timeout", "", "")
COUNTED("resil_rejected", DESTINATION, "reason", "rate", "rejected_rate", "", "")
COUNTED("resil_rejected", DESTINATION, "reason", "no_endpoint", "rejected_no_endpoint", "", "")
COUNTED("resil_exchanges", ROW, "result", "ok", "exchanges_ok", "", "exchanges by what became of them")
COUNTED("resil_exchanges", ROW, "result", "response_timeout", "response_timeouts", "", "")
COUNTED("resil_exchanges", ROW, "result", "idle_timeout", "idle_timeouts", "", "")
COUNTED("resil_exchanges", ROW, "result", "exchange_timeout", "exchange_timeouts", "", "")
COUNTED("resil_exchanges", ROW, "result", "reset", "resets", "", "")
COUNTED("resil_exchanges", ROW, "result", "empty", "empty_responses", "", "")
COUNTED("resil_exchanges", ROW, "result", "protocol_error", "protocol_errors", "", "")
COUNTED("resil_exchanges", ROW, "result", "overload", "overloads", "", "")
COUNTED("resil_exchanges", ROW, "result", "tls_alert", "tls_alerts", "", "")
COUNTED("resil_exchanges", ROW, "result", "abandoned", "abandoned", "", "")
COUNTED("resil_exchanges", ROW, "result", "stale", "stale", "", "")
COUNTED("resil_outcomes", ROW, "class", "ignored", "ignored", "", "results that the breaker did not count")
COUNTED("resil_outcomes", ROW, "class", "late", "late", "", "")
COUNTED("resil_bytes", ROW, "direction", "in", "bytes_in", "", "bytes that applications read and wrote")
COUNTED("resil_bytes", ROW, "direction", "out", "bytes_out", "", "")
COUNTED("resil_breaker_transitions", ROW, "to", "open", "opened", "", "changes of the breaker's state")
COUNTED("resil_breaker_transitions", ROW, "to", "half_open", "half_opened", "", "")
COUNTED("resil_breaker_transitions", ROW, "to", "closed", "closed", "", "")
COUNTED("resil_retry_attempts", DESTINATION, "outcome", "success", "retries_ok", "",
        "further attempts of connect calls")
COUNTED("resil_retry_attempts", DESTINATION, "outcome", "failure", "retries", "retries_ok", "")
COUNTED("resil_retry_calls", DESTINATION, "kind", "exhausted", "retries_exhausted", "",
        "connect calls that failed with retries on")
COUNTED("resil_bulkhead_reclaimed", DESTINATION, "", "", "reclaimed", "",
        "slots and leases taken back from processes that died")
COUNTED("resil_health_checks", ROW, "result", "success", "checks_ok", "", "active checks by what they found")
COUNTED("resil_health_checks", ROW, "result", "failure", "checks_failed", "", "")
COUNTED("resil_discovery_refresh", DESTINATION, "result", "success", "discoveries_ok", "",
        "looks at the source of discover by whether they could be used")
COUNTED("resil_discovery_refresh", DESTINATION, "result", "failure", "discoveries_failed", "", "")
#undef COUNTED
