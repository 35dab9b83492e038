/* SPDX-License-Identifier: MIT
 * Admission: which destination a connect call belongs to, and whether it may go. Any thread; signal safe; a few system
 * calls. */
#ifndef RESIL_CONN_ADMIT_H
#define RESIL_CONN_ADMIT_H

#include <stdbool.h>

#include "config/rules.h"
#include "conn/address.h"
#include "segment/gate.h"
#include "segment/ledger.h"

/* A connect call on its way. */
struct attempt {
    int fd;
    struct address to;
    const struct rules *rules;
    const struct rule_destination *destination;
    uint32_t index; /* of the destination in the rules */
    const char *name;
    uint32_t row, endpoint;
    uint64_t now_ns;
    struct admission admission;
    struct slot slot;
    uint64_t cookie;
    uint64_t end_ns; /* of the whole call (timeout.total), 0 = none */
    bool refused;    /* the last try was refused by us */
};

/* The destination of connections that no rule names and only RESIL_CHAOS strikes. */
extern const struct rule_destination admit_chaos_destination;

/* admit_find(attempt): fills destination and rows from fd, to and now_ns; false when the call is not ours. Counts what
 * no destination matches. */
bool admit_find(struct attempt *attempt);

/* admit_ask(attempt): breaker, then bulkhead. ADMIT: admission and slot are held. */
enum verdict admit_ask(struct attempt *attempt);

/* admit_refuse(attempt, verdict): tells the operator, returns -1 with the destination's errno. */
int admit_refuse(const struct attempt *attempt, enum verdict verdict);

struct gate admit_gate(const struct attempt *attempt);

#endif
