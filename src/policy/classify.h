/* SPDX-License-Identifier: MIT
 * What an errno or an end of file says about the backend: the table of observations applied.
 * Pure; any thread; signal safe. */
#ifndef RESIL_POLICY_CLASSIFY_H
#define RESIL_POLICY_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"
#include "tables/enums.h"

/* A connection that the peer closes this soon after a request on a reused connection was closed before
 * the request arrived: the usual race with a server's keep-alive timeout. */
#define STALE_GRACE_NS 100000000ull

/* The errno of a finished connect (never EINPROGRESS, EALREADY, EINTR or EISCONN). is_unix: for a path
 * ENOENT and EAGAIN speak of the server; for an address EAGAIN means that this host's ports are used up. */
enum observation classify_connect(int error, bool is_unix);

/* An exchange that ended without an answer: error is the errno, 0 at end of file. reused: not the first
 * exchange of its connection; age_ns: since the exchange began. */
enum observation classify_exchange(int error, bool reused, uint64_t age_ns);

/* The application gave up an exchange of this age: abandoned, or a client's own timeout. response_ns: timeout.response
 * as it is now. */
enum observation classify_abandoned(const struct conf *conf, int64_t response_ns, uint64_t age_ns);

/* What the breaker is told: the table, unless breaker.ignore or breaker.failure_on names the observation. */
enum outcome classify_outcome(const struct conf *conf, enum observation observation);

/* The table alone. */
enum outcome observation_outcome(enum observation observation);

#endif
