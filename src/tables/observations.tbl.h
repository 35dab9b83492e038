/* SPDX-License-Identifier: MIT
 * What can be seen of an attempt or an exchange at socket level, and what it means:
 *   OBSERVATION(id, "name", outcome, counter, sum)
 * outcome  SUCCESS, FAILURE, OVERLOAD or IGNORED: what the breaker is told
 * counter  the row's counter of exactly this observation
 * sum      a counter that moves as well (a total), or the same counter again when there is none
 */
OBSERVATION(CONNECTED, "connected", SUCCESS, connects_ok, connects_ok)
OBSERVATION(CONNECT_FAILED, "connect_failed", FAILURE, connects_failed, connects_failed)
OBSERVATION(CONNECT_TIMEOUT, "connect_timeout", FAILURE, connect_timeouts, connects_failed)
OBSERVATION(LOCAL_ERROR, "local_error", IGNORED, local_errors, local_errors)
OBSERVATION(CANCELLED, "cancelled", IGNORED, abandoned, abandoned)
OBSERVATION(ANSWERED, "answered", SUCCESS, exchanges_ok, exchanges_ok)
OBSERVATION(RESPONSE_TIMEOUT, "response_timeout", FAILURE, response_timeouts, exchanges_failed)
OBSERVATION(IDLE_TIMEOUT, "idle_timeout", FAILURE, idle_timeouts, idle_timeouts)
OBSERVATION(RESET, "reset", FAILURE, resets, exchanges_failed)
OBSERVATION(EMPTY_RESPONSE, "empty_response", FAILURE, empty_responses, exchanges_failed)
OBSERVATION(STALE, "stale_connection", IGNORED, stale, stale)
OBSERVATION(ABANDONED, "abandoned", IGNORED, abandoned, abandoned)
OBSERVATION(ABANDONED_SLOW, "client_timeout", FAILURE, abandoned, exchanges_failed)
OBSERVATION(TLS_ALERT, "tls_alert", FAILURE, tls_alerts, exchanges_failed)
OBSERVATION(PROTOCOL_ERROR, "protocol_error", FAILURE, protocol_errors, exchanges_failed)
OBSERVATION(OVERLOAD, "overload", OVERLOAD, overloads, exchanges_failed)
OBSERVATION(ANSWER_NEUTRAL, "answer_neutral", IGNORED, exchanges_ok, exchanges_ok)
OBSERVATION(EXCHANGE_TIMEOUT, "exchange_timeout", FAILURE, exchange_timeouts, exchange_timeouts)
OBSERVATION(INJECTED, "injected", IGNORED, ignored, ignored)
#undef OBSERVATION
