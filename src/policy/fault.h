/* SPDX-License-Identifier: MIT
 * Which injected faults strike a connection or a lookup, and how much they do. Pure: the random numbers are an
 * argument.
 *
 * A spec is drawn once for each connection: fault i strikes when the i-th number of the connection's stream says so.
 * A stream depends on the seed, the destination and the connection's number there alone, so that a run repeats
 * whatever the timing (the idea of libfiu's pinned seeds). What a fault does to bytes depends on their place in the
 * stream of bytes, not on how they were cut into calls. */
#ifndef RESIL_POLICY_FAULT_H
#define RESIL_POLICY_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/enums.h"

enum { FAULT_AT_CONNECT = 1, FAULT_AT_READ = 2, FAULT_AT_WRITE = 4, FAULT_AT_DNS = 8 };
enum fault_dns { FAULT_DNS_FAIL, FAULT_DNS_EMPTY, FAULT_DNS_DELAY };
enum { FAULTS_MAX = 16, FAULT_TARGET = 64, FAULT_APP = 64 };

struct fault {
    uint32_t kind; /* enum fault_kind */
    uint32_t call; /* one FAULT_AT_* */
    int32_t error; /* ERROR: the errno */
    uint32_t dns;  /* DNS: enum fault_dns */
    uint32_t probability_ppm;
    int64_t delay_ns;          /* the duration of its argument; LATENCY: the mean */
    int64_t spread_ns;         /* LATENCY: uniform, both ways */
    int64_t amount;            /* BANDWIDTH: bytes per hour; LIMIT: bytes; SLICE: the most; CORRUPT: the N of M/N */
    int64_t low;               /* SLICE: the least; CORRUPT: M */
    int64_t count;             /* strikes at most so often in this process, 0 = no bound */
    int64_t after;             /* spares the first so many connections to a destination */
    int64_t for_ns;            /* strikes no longer than this after the spec began, 0 = no bound */
    char target[FAULT_TARGET]; /* destination, "" = any */
    char app[FAULT_APP];       /* glob of programs, "" = any */
};

struct faults {
    uint32_t used;
    struct fault fault[FAULTS_MAX];
};

/* fault_stream(seed, name_hash, ordinal): the stream of connection number ordinal (from 0) to a destination. */
uint64_t fault_stream(uint64_t seed, uint32_t name_hash, uint64_t ordinal);

/* fault_strikes(fault, stream, ordinal, index, age_ns): whether fault number index strikes that connection; age_ns: of
 * the spec. */
bool fault_strikes(const struct fault *fault, uint64_t stream, uint64_t ordinal, uint32_t index, uint64_t age_ns);

/* fault_delay_ns(fault, stream, index, exchange): the latency of one exchange (0 = the connect). */
int64_t fault_delay_ns(const struct fault *fault, uint64_t stream, uint32_t index, uint64_t exchange);

/* fault_slice(fault, stream, piece): how many bytes the piece of that number has, at least 1. */
size_t fault_slice(const struct fault *fault, uint64_t stream, uint64_t piece);

/* BANDWIDTH: how many bytes move at once, at least 1, and how long so many take. */
size_t fault_burst(const struct fault *fault);
uint64_t fault_cost_ns(const struct fault *fault, uint64_t bytes);

/* fault_corrupt(fault, stream, offset, data, bytes): flips one bit of each byte that is to be harmed; offset: of
 * data[0] in its direction. Returns how many. */
size_t fault_corrupt(const struct fault *fault, uint64_t stream, uint64_t offset, uint8_t *data, size_t bytes);

#endif
