/* SPDX-License-Identifier: MIT
 * What a health probe found: FINDING(id, "name", "what its detail is").
 * Append only: the index stands in the segment. */
FINDING(NONE, "unknown", "")
FINDING(OK, "ok", "")
FINDING(LOOKUP, "lookup_failed", "-EAI_*")
FINDING(CONNECT, "connect_failed", "errno")
FINDING(TIMEOUT, "timeout", "ms")
FINDING(CLOSED, "closed", "")
FINDING(ANSWER, "wrong_answer", "")
FINDING(HTTP_STATUS, "http_status", "the status")
FINDING(REFUSES, "refuses", "SQLSTATE, base 36")
FINDING(NOT_READY, "not_ready", "")
FINDING(EXIT, "exit_status", "the status")
FINDING(SIGNAL, "signal", "its number")
FINDING(MEMORY, "memory", "percent in use")
FINDING(SYSTEM, "system_error", "errno")
#undef FINDING
