/* SPDX-License-Identifier: MIT
 * Every configuration key of a destination, once.
 *
 *   KEY(field, "name", KIND, "default", "min", "max", "words", "help")
 *
 * field    member of struct conf (always int64_t); its suffix carries the unit
 * KIND     DURATION (ns), COUNT, PERCENT (parts per million), FACTOR (parts per million),
 *          RATE (events, or bytes, per hour), WORD (index into words), SET (bit i: word i; "none" is no bit),
 *          AMOUNT (a number, or a size in bytes), JITTER, BUDGET (policy/retry.h),
 *          TIMEOUT (ns, or packed: policy/timeout.h), TEXT (offset into the rules' string pool, 0 = none)
 * default  in the syntax of the file; the name of another key means "the value of that key"
 * min,max  likewise; values outside are errors. "off" is legal where words holds "off"
 * words    WORD: the legal words, separated by blanks, in the order of their indices
 *          other kinds: "off" when the key can be switched off (stored as CONF_OFF)
 *
 * Parser, defaults, `resctl check`, the reference file and the sweeping tests all read these rows.
 * Append only within a major version of the segment: the order is the layout of struct conf.
 */
KEY(mode, "mode", WORD, "enforce", "", "", "enforce observe off",
    "enforce the policies, observe what they would have done, or off")
KEY(enforce_ppm, "enforce", PERCENT, "100%", "0%", "100%", "", "share of calls to which a rejection is really applied")
KEY(timeout_connect_ns, "timeout.connect", TIMEOUT, "5s", "1ms", "1h", "off", "time for one connect attempt")
KEY(timeout_probe_ns, "timeout.probe", TIMEOUT, "timeout.connect", "1ms", "1h", "off",
    "time for one connect attempt while half-open")
KEY(timeout_response_ns, "timeout.response", TIMEOUT, "off", "1ms", "24h", "off",
    "time from the first byte written to the first byte of the answer")
KEY(timeout_idle_ns, "timeout.idle", DURATION, "off", "1ms", "24h", "off", "silence between two bytes of one answer")
KEY(timeout_exchange_ns, "timeout.exchange", DURATION, "off", "1ms", "24h", "off",
    "time from the first byte written until the next request or the close")
KEY(timeout_write_ns, "timeout.write", DURATION, "off", "1ms", "24h", "off",
    "time for which written bytes may stay unacknowledged")
KEY(timeout_dns_ns, "timeout.dns", DURATION, "off", "1s", "10m", "off",
    "time for one lookup, given to libc's resolver by resctl run")
KEY(timeout_total_ns, "timeout.total", DURATION, "off", "1ms", "24h", "off",
    "time for a whole connect call, with its waits and retries")
KEY(breaker_failures, "breaker.failures", COUNT, "5", "1", "65535", "off", "consecutive failures that open the breaker")
KEY(breaker_ratio_ppm, "breaker.ratio", PERCENT, "50%", "0.1%", "100%", "off",
    "share of failures within the window that opens the breaker")
KEY(breaker_window_ns, "breaker.window", DURATION, "10s", "10ms", "24h", "",
    "length of the sliding window: the current tenth and the nine before it")
KEY(breaker_min_calls, "breaker.min_calls", COUNT, "20", "1", "40000", "",
    "calls the window needs before ratios are judged")
KEY(breaker_window_calls, "breaker.window_calls", COUNT, "off", "1", "1024", "off",
    "judge the ratios over the last so many calls instead of a time")
KEY(breaker_lumping_ns, "breaker.lumping", DURATION, "off", "1ms", "1h", "off",
    "failures within this time of one that counted do not count again")
KEY(breaker_ignore, "breaker.ignore", SET, "none", "", "",
    "none connected connect_failed connect_timeout local_error cancelled answered response_timeout idle_timeout reset "
    "empty_response stale_connection abandoned client_timeout tls_alert protocol_error overload answer_neutral "
    "exchange_timeout",
    "observations that say nothing to the breaker")
KEY(breaker_failure_on, "breaker.failure_on", SET, "none", "", "",
    "none connected connect_failed connect_timeout local_error cancelled answered response_timeout idle_timeout reset "
    "empty_response stale_connection abandoned client_timeout tls_alert protocol_error overload answer_neutral "
    "exchange_timeout",
    "observations that are failures besides the usual ones")
KEY(breaker_errors, "breaker.errors", COUNT, "off", "1", "40000", "off",
    "failures within the window that open the breaker, successes irrelevant")
KEY(breaker_slow_time_ns, "breaker.slow_time", DURATION, "off", "1us", "24h", "off",
    "a call that takes longer is slow, from that moment on")
KEY(breaker_slow_ratio_ppm, "breaker.slow_ratio", PERCENT, "100%", "0.1%", "100%", "",
    "share of slow calls within the window that opens the breaker")
KEY(breaker_open_time_ns, "breaker.open_time", DURATION, "5s", "1ms", "24h", "", "time from opening to half-open")
KEY(breaker_multiplier_ppm, "breaker.multiplier", FACTOR, "2", "1", "100", "",
    "growth of the open time at each re-opening")
KEY(breaker_open_max_ns, "breaker.open_max", DURATION, "60s", "1ms", "24h", "", "upper bound of the grown open time")
KEY(breaker_jitter_ppm, "breaker.jitter", PERCENT, "10%", "0%", "100%", "off",
    "random part of the open time, both ways")
KEY(breaker_open_from, "breaker.open_from", WORD, "trip", "", "", "trip last_failure",
    "whether failures that arrive while open extend the open time")
KEY(breaker_probes, "breaker.probes", COUNT, "3", "1", "32", "", "concurrent probes while half-open")
KEY(breaker_successes, "breaker.successes", COUNT, "1", "1", "255", "", "successful probes that close the breaker")
KEY(breaker_halfopen_failures, "breaker.halfopen_failures", COUNT, "1", "1", "255", "",
    "failed probes that re-open the breaker")
KEY(breaker_halfopen, "breaker.halfopen", WORD, "strict", "", "", "strict ratio",
    "strict: count successes and failures; ratio: judge all probes by the ratios")
KEY(breaker_success_on, "breaker.success_on", WORD, "response", "", "", "response connect",
    "what makes a call a success: the first byte of an answer, or the connection")
KEY(breaker_scope, "breaker.scope", WORD, "endpoint", "", "", "endpoint destination",
    "one breaker for each endpoint, or one for the destination")
KEY(breaker_max_eject_ppm, "breaker.max_eject", PERCENT, "100%", "0%", "100%", "",
    "share of the endpoints that may be passed over at once")
KEY(breaker_panic_ppm, "breaker.panic", PERCENT, "off", "0.1%", "100%", "off",
    "with fewer endpoints than this share left, breakers are ignored when picking")
KEY(bulkhead_limit, "bulkhead.limit", COUNT, "off", "1", "60000", "off", "connections or exchanges open at once")
KEY(bulkhead_endpoint_limit, "bulkhead.endpoint_limit", COUNT, "off", "1", "60000", "off", "likewise, to each endpoint")
KEY(bulkhead_per, "bulkhead.per", WORD, "host", "", "", "host process uid",
    "one limit for all processes that share the segment, or one for each process or user")
KEY(bulkhead_unit, "bulkhead.unit", WORD, "connection", "", "", "connection exchange",
    "whether a slot is held by an open connection or by an exchange that waits for its answer")
KEY(bulkhead_queue, "bulkhead.queue", COUNT, "0", "0", "10000", "",
    "connects, or first writes of exchanges, that may wait for a slot, first come first served")
KEY(bulkhead_queue_timeout_ns, "bulkhead.queue_timeout", TIMEOUT, "timeout.connect", "1ms", "1h", "off",
    "how long one may wait in the queue")
KEY(bulkhead_adaptive, "bulkhead.adaptive", WORD, "off", "", "", "off aimd gradient vegas",
    "let the limit follow the latency that is measured; bulkhead.limit is where it begins")
KEY(bulkhead_min, "bulkhead.min", COUNT, "3", "1", "60000", "", "the lowest adaptive limit")
KEY(bulkhead_max, "bulkhead.max", COUNT, "200", "1", "60000", "", "the highest adaptive limit")
KEY(priority, "priority", COUNT, "0", "0", "255", "",
    "who waits in a queue, or for a probe's place: higher goes first; RESIL_PRIORITY overrides it")
KEY(retry_attempts, "retry.attempts", COUNT, "1", "1", "100", "",
    "attempts in all of one connect call, or of one request (retry.replay)")
KEY(retry_backoff, "retry.backoff", WORD, "exponential", "", "", "exponential linear fibonacci constant decorrelated",
    "how the delay between attempts grows")
KEY(retry_base_ns, "retry.base", DURATION, "100ms", "1ms", "1h", "", "the delay before the first retry")
KEY(retry_factor_ppm, "retry.factor", FACTOR, "2", "1", "100", "", "growth of the exponential delay")
KEY(retry_max_ns, "retry.max", DURATION, "5s", "1ms", "1h", "", "upper bound of the delay, before its jitter")
KEY(retry_jitter, "retry.jitter", JITTER, "full", "", "", "", "the random part of the delay")
KEY(retry_on, "retry.on", SET, "refused timeout unreachable reset", "", "",
    "none refused timeout unreachable reset http:5xx http:429 http:5xx,429",
    "failures of a connect that are retried; http: answers, with retry.replay")
KEY(retry_budget, "retry.budget", BUDGET, "20% 10/s 10s", "", "", "off",
    "retries allowed: a share of the calls of this time, and a floor a second, over the segment")
KEY(retry_replay, "retry.replay", WORD, "off", "", "", "off idempotent",
    "idempotent: send a request once more, if its kind allows it, when its connection fails before an answer")
KEY(rate_limit, "rate.limit", RATE, "off", "1/h", "1000000000/s", "off",
    "connects, exchanges or bytes for each unit of time")
KEY(rate_burst, "rate.burst", AMOUNT, "off", "1", "1000000000", "off",
    "so many at once after a pause; off: one second's worth")
KEY(rate_max_wait_ns, "rate.max_wait", DURATION, "0s", "0s", "1h", "",
    "how long a connect, or a write, may wait for its turn")
KEY(rate_unit, "rate.unit", WORD, "connections", "", "", "connections exchanges bytes", "what rate.limit counts")
KEY(rate_per, "rate.per", WORD, "host", "", "", "host process uid",
    "one limit for all processes that share the segment, or one for each process or user")
KEY(order, "order", WORD, "standard", "", "", "standard breaker-outside-retry bulkhead-outside",
    "standard: breaker and bulkhead see each attempt; the others see the whole connect call")
KEY(reject_errno, "reject.errno", WORD, "ECONNREFUSED", "", "",
    "ECONNREFUSED ETIMEDOUT EHOSTUNREACH ENETUNREACH ECONNABORTED ECONNRESET",
    "what connect() answers to a rejected call")
KEY(reject_delay_ns, "reject.delay", DURATION, "0s", "0s", "1s", "",
    "how long a blocking connect waits before it is refused, to slow down callers that retry in a loop")
KEY(first_byte, "first_byte", WORD, "auto", "", "", "auto client server none",
    "who speaks first; none: no exchange is ever timed")
KEY(sniff, "sniff", WORD, "off", "", "", "off http redis postgres mysql smtp memcached",
    "judge answers by their first bytes")
KEY(endpoints, "endpoints", TEXT, "", "", "", "", "addresses to connect to instead of the one asked for")
KEY(balance, "balance", WORD, "first", "", "",
    "first round_robin weighted least_conn least_time random p2c ip_hash maglev", "how one of the endpoints is chosen")
KEY(balance_affinity, "balance.affinity", WORD, "off", "", "", "off process uid source",
    "who keeps the endpoint chosen first while it can be had")
KEY(balance_slow_start_ns, "balance.slow_start", DURATION, "off", "1ms", "1h", "off",
    "how long an endpoint that came back takes to get its full share")
KEY(chaos, "chaos", TEXT, "", "", "", "", "faults to inject, in the syntax of RESIL_CHAOS; deny forbids those, too")
KEY(chaos_counts, "chaos.counts", WORD, "off", "", "", "off on", "whether injected faults move the breaker")
KEY(peername, "peername", WORD, "asked", "", "", "asked real",
    "what getpeername() answers: the address that the program asked for, or the endpoint's")
KEY(io_uring, "io_uring", WORD, "allow", "", "", "allow deny",
    "what io_uring_setup() by syscall() answers the whole process: deny is ENOSYS")
KEY(fallback, "fallback", TEXT, "", "", "", "", "addresses tried one after the other when a call has failed")
KEY(fallback_on, "fallback.on", SET, "open failure overflow timeout", "", "", "none open failure overflow timeout",
    "what sends a call on to its fallback")
KEY(dns_stale_max_ns, "dns.stale_max", DURATION, "off", "1s", "720h", "off",
    "how old the last good answer may be that is served when a lookup fails for the time being")
KEY(via, "via", TEXT, "", "", "", "", "the local relay, such as a TLS terminator, that every connection goes through")
KEY(discover, "discover", TEXT, "", "", "", "",
    "where the agent finds the endpoints: dns:NAME:PORT, srv:NAME, file:/PATH, exec:COMMAND, consul:SERVICE, "
    "k8s:NAMESPACE/SERVICE")
KEY(discover_refresh_ns, "discover.refresh", DURATION, "10s", "100ms", "24h", "",
    "how often it looks there; a file is read at once when it changes, Consul answers when something did")
KEY(health_check, "health.check", TEXT, "", "", "", "",
    "how the agent asks each endpoint whether it is well: off, tcp, http:/PATH, redis, postgres, exec:COMMAND")
KEY(health_check_interval_ns, "health.check.interval", DURATION, "5s", "50ms", "24h", "",
    "from one check of an endpoint to the next, 10% more or less")
KEY(health_check_timeout_ns, "health.check.timeout", DURATION, "3s", "10ms", "1h", "",
    "a check that takes longer has failed; more than the interval is as much as the interval")
KEY(health_check_rise, "health.check.rise", COUNT, "2", "1", "255", "",
    "checks in a row that an endpoint that is down has to pass to be up")
KEY(health_check_fall, "health.check.fall", COUNT, "3", "1", "255", "",
    "checks in a row that an endpoint has to fail to be down: then it is not picked")
KEY(health_check_critical, "health.check.critical", WORD, "on", "", "", "off on",
    "whether a destination without an endpoint that is up makes the whole unhealthy")
#undef KEY
