/* SPDX-License-Identifier: MIT
 * The effective policy of one destination: the rows of tables/keys.tbl.h as 64-bit fields.
 *
 * Plain data of fixed width: it stands in the segment's rules as it is, and every policy step takes a
 * pointer to it. Nobody but src/config writes one.
 */
#ifndef RESIL_POLICY_CONF_H
#define RESIL_POLICY_CONF_H

#include <stdint.h>

#define CONF_OFF (-1)    /* the value of a key that is switched off */
#define PPM      1000000 /* one whole, in the unit of PERCENT and FACTOR */

enum key_kind {
    KIND_DURATION,
    KIND_COUNT,
    KIND_PERCENT,
    KIND_FACTOR,
    KIND_RATE,
    KIND_JITTER,
    KIND_BUDGET,
    KIND_AMOUNT,
    KIND_WORD,
    KIND_SET,
    KIND_TEXT,
    KIND_TIMEOUT
};

enum key {
#define KEY(field, name, kind, def, min, max, words, help) KEY_##field,
#include "tables/keys.tbl.h"
    KEY_COUNT
};

struct conf {
#define KEY(field, name, kind, def, min, max, words, help) int64_t field;
#include "tables/keys.tbl.h"
};

_Static_assert(sizeof(struct conf) == KEY_COUNT * sizeof(int64_t), "struct conf is an array of int64_t by enum key");

/* Indices of the words of WORD keys, in the order of the table. */
enum { MODE_ENFORCE, MODE_OBSERVE, MODE_OFF };
enum { OPEN_FROM_TRIP, OPEN_FROM_LAST_FAILURE };
enum { HALFOPEN_STRICT, HALFOPEN_RATIO };
enum { SUCCESS_ON_RESPONSE, SUCCESS_ON_CONNECT };
enum { SCOPE_ENDPOINT, SCOPE_DESTINATION };
enum { BACKOFF_EXPONENTIAL, BACKOFF_LINEAR, BACKOFF_FIBONACCI, BACKOFF_CONSTANT, BACKOFF_DECORRELATED };
/* Bits of retry.on. */
enum { RETRY_ON_REFUSED = 1, RETRY_ON_TIMEOUT = 2, RETRY_ON_UNREACHABLE = 4, RETRY_ON_RESET = 8 };
enum { RETRY_ON_HTTP_5XX = 16, RETRY_ON_HTTP_429 = 32, RETRY_ON_HTTP_BOTH = 64 };
enum { PER_HOST, PER_PROCESS, PER_UID }; /* bulkhead.per, rate.per */
enum { BULKHEAD_CONNECTION, BULKHEAD_EXCHANGE };
enum { ADAPTIVE_OFF, ADAPTIVE_AIMD, ADAPTIVE_GRADIENT, ADAPTIVE_VEGAS };
enum { RATE_CONNECTIONS, RATE_EXCHANGES, RATE_BYTES };
enum { ORDER_STANDARD, ORDER_BREAKER_OUTSIDE, ORDER_BULKHEAD_OUTSIDE };
enum {
    BALANCE_FIRST,
    BALANCE_ROUND_ROBIN,
    BALANCE_WEIGHTED,
    BALANCE_LEAST_CONN,
    BALANCE_LEAST_TIME,
    BALANCE_RANDOM,
    BALANCE_P2C,
    BALANCE_IP_HASH,
    BALANCE_MAGLEV
};
enum { AFFINITY_OFF, AFFINITY_PROCESS, AFFINITY_UID, AFFINITY_SOURCE };
enum { PEERNAME_ASKED, PEERNAME_REAL };
/* Bits of fallback.on. */
enum { FALLBACK_ON_OPEN = 1, FALLBACK_ON_FAILURE = 2, FALLBACK_ON_OVERFLOW = 4, FALLBACK_ON_TIMEOUT = 8 };
enum { FIRST_BYTE_AUTO, FIRST_BYTE_CLIENT, FIRST_BYTE_SERVER, FIRST_BYTE_NONE };
enum { IO_URING_ALLOW, IO_URING_DENY };

#endif
