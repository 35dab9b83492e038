/* SPDX-License-Identifier: MIT
 * Gauges: GAUGE("name", SCOPE, "label", "value", function, "help"); see metric_counters.tbl.h.
 * function  of metrics_values.c; NAN means that there is no such value now
 * SCOPE     also SEGMENT: one value, without labels
 */
GAUGE("resil_breaker_state_code", ROW, "", "", metric_state_code,
      "0 closed, 1 open, 2 half_open, 3 forced_open, 4 disabled or forced_closed, 5 observe, 6 draining")
GAUGE("resil_breaker_failure_ratio", ROW, "", "", metric_failure_ratio,
      "share of failures in the window, NaN below breaker.min_calls")
GAUGE("resil_breaker_slow_ratio", ROW, "", "", metric_slow_ratio,
      "share of slow calls in the window, NaN below breaker.min_calls")
GAUGE("resil_breaker_consecutive_failures", ROW, "", "", metric_consecutive, "failures in a row")
GAUGE("resil_breaker_window_calls", ROW, "kind", "ok", metric_window_ok, "calls in the window")
GAUGE("resil_breaker_window_calls", ROW, "kind", "failed", metric_window_failed, "")
GAUGE("resil_breaker_window_calls", ROW, "kind", "slow", metric_window_slow, "")
GAUGE("resil_breaker_probes_active", ROW, "", "", metric_probes, "probes under way")
GAUGE("resil_breaker_next_attempt_seconds", ROW, "", "", metric_next_attempt,
      "time until a probe is let in, NaN unless open")
GAUGE("resil_connections_active", ROW, "", "", metric_connections, "open connections of living processes")
GAUGE("resil_bulkhead_limit", DESTINATION, "", "", metric_limit, "slots of the bulkhead, +Inf without a limit")
GAUGE("resil_bulkhead_in_use", DESTINATION, "", "", metric_in_use, "slots that are taken")
GAUGE("resil_bulkhead_queued", DESTINATION, "", "", metric_queued, "calls that wait for a slot")
GAUGE("resil_ejections_active", DESTINATION, "", "", metric_ejections, "endpoints that would admit no call")
GAUGE("resil_endpoints", DESTINATION, "", "", metric_endpoints, "endpoints that were seen or are configured")
GAUGE("resil_endpoint_up", ROW, "", "", metric_endpoint_up,
      "1: active checks find the endpoint well, 0: down, NaN: nobody checks it; of a destination: whether one is up")
GAUGE("resil_discovery_endpoints", DESTINATION, "", "", metric_found, "endpoints found, NaN without discover")
GAUGE("resil_discovery_last_success_seconds", DESTINATION, "", "", metric_found_age,
      "time since the source of discover gave an answer that could be used, NaN when it never did")
GAUGE("resil_agent_up", SEGMENT, "", "", metric_agent_up, "1: an agent is active")
GAUGE("resil_processes", SEGMENT, "", "", metric_processes, "attached processes")
GAUGE("resil_config_generation", SEGMENT, "", "", metric_generation, "how often rules were published")
GAUGE("resil_config_loaded_timestamp_seconds", SEGMENT, "", "", metric_loaded, "when the rules were published")
GAUGE("resil_config_error", SEGMENT, "", "", metric_config_error, "1: the configuration has errors and is not used")
GAUGE("resil_config_file_changed", SEGMENT, "", "", metric_file_changed,
      "1: the configuration file is not the one that was loaded")
GAUGE("resil_disabled", SEGMENT, "", "", metric_off, "1: the kill switch is set, every call passes through")
#undef GAUGE
