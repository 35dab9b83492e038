/* SPDX-License-Identifier: MIT
 * Which injected faults strike a connection. Pure: the random numbers are an argument.
 *
 * A spec is drawn once for each connection: fault i of the spec strikes when the i-th number of the
 * connection's stream says so. The stream depends on the seed and the connection's ordinal alone, so
 * a run repeats whatever the timing (the idea of libfiu's pinned seeds).
 */
#ifndef RESIL_POLICY_FAULT_H
#define RESIL_POLICY_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "tables/enums.h"

enum { FAULT_AT_CONNECT = 1, FAULT_AT_READ = 2, FAULT_AT_WRITE = 4 };
enum { FAULTS_MAX = 16, FAULT_TARGET = 64 };

struct fault {
    uint32_t kind; /* enum fault_kind */
    uint32_t call; /* one FAULT_AT_* */
    int32_t error; /* ERROR: the errno */
    uint32_t probability_ppm;
    int64_t delay_ns;          /* LATENCY: the mean; RESET: AFTER */
    int64_t spread_ns;         /* LATENCY: uniform, both ways */
    int64_t count;             /* strikes at most so often in this process, 0 = no bound */
    int64_t after;             /* spares the first so many connections */
    char target[FAULT_TARGET]; /* destination, "" = every stream connection of the process */
};

struct faults {
    uint32_t used;
    struct fault fault[FAULTS_MAX];
};

/* fault_strikes(fault, seed, ordinal, index): whether fault number index of the spec strikes the
 * connection number ordinal (from 0) of this process. */
bool fault_strikes(const struct fault *fault, uint64_t seed, uint64_t ordinal, uint32_t index);

/* fault_delay_ns(fault, seed, ordinal, exchange): the latency of one exchange (0 = the connect). */
int64_t fault_delay_ns(const struct fault *fault, uint64_t seed, uint64_t ordinal, uint64_t exchange);

#endif
