/* SPDX-License-Identifier: MIT
 * Admission: which destination a connect call belongs to, and whether it may go. Any thread; signal safe; a few system
 * calls. */
#ifndef RESIL_CONN_ADMIT_H
#define RESIL_CONN_ADMIT_H

#include <stdbool.h>

#include "config/rules.h"
#include "conn/address.h"
#include "conn/slots.h"
#include "segment/gate.h"

/* A connect call on its way. */
struct attempt {
    int fd;
    bool blocking;
    struct address to;
    struct sockaddr_storage addr; /* as the kernel is to get it */
    socklen_t length;
    const struct rules *rules;
    struct rules_copy *copy; /* pinned, which holds them; NULL: none */
    uint64_t chaos_wall_ns;  /* host_chaos_wall_ns() */
    const struct rule_destination *destination;
    uint32_t index; /* of the destination in the rules */
    const char *name;
    uint32_t row, endpoint;
    uint64_t now_ns;
    struct admission admission;
    struct held held[SLOT_KINDS];
    uint32_t outer;                /* OUTER_* of conn/conn.h: what the call keeps across its attempts */
    bool has_slots, has_admission; /* kept so from an earlier attempt */
    enum outcome kept;             /* what the breaker is still to be told of it */
    uint64_t cookie;
    uint64_t end_ns; /* of the whole call (timeout.total), 0 = none */
    bool refused;    /* the last try was refused by us */
    /* Retries (conn/retry.h). */
    uint32_t retries;  /* made so far */
    uint64_t delay_ns; /* the delay before the last one */
    int error;         /* of the last attempt that was made: a retry that we refuse ourselves does not hide it */
    /* Waits of a call that must not sleep (conn/pending.h): when to ask again; the promised turn of the rate limiter;
     * the end of the wait in the queue. */
    uint64_t wait_until_ns, turn_ns, queue_end_ns;
    bool queued;
    /* A destination with endpoints (conn/steer.h). */
    bool steered;                  /* this call goes to one of them */
    bool insist;                   /* the picked endpoint's breaker is ignored */
    bool insist_all;               /* likewise, whichever is picked */
    uint32_t reach;                /* families that the socket can connect to */
    uint32_t picked;               /* index of the endpoint, BALANCE_HOSTS = none yet */
    uint32_t failovers;            /* retries that went to an endpoint not tried before */
    uint64_t number;               /* of the pick, over all processes */
    uint64_t tried[4], passed[4];  /* bit i: endpoint i, in this call; in this attempt */
    struct sockaddr_storage asked; /* by the application; addr is where the endpoint is */
    socklen_t asked_length;        /* 0: not looked at yet */
    bool relayed;                  /* addr is that of `via` */
    bool nowhere;                  /* what was asked for is the address of a service name (config/service.h) */
    /* Fallback (conn/fallback.h): the target where the call is, and the one where it goes next: index + 1, 0 = none. */
    uint32_t target, next_target;
    enum verdict verdict; /* why we refused it last */
};

/* The destination of connections that no rule names and only RESIL_CHAOS strikes. */
extern const struct rule_destination admit_chaos_destination;
#define ADMIT_UNMATCHED "unmatched"

/* admit_find(attempt): fills destination and rows from fd, to and now_ns; false when the call is not ours. Counts what
 * no destination matches. Notes in any case whether the address is nowhere. */
bool admit_find(struct attempt *attempt);

/* admit_ask(attempt): rate, breaker, bulkhead. ADMIT: admission and slots are held. WAIT (only where attempt->blocking
 * is false): ask again at attempt->wait_until_ns; until then the attempt holds its place. */
enum verdict admit_ask(struct attempt *attempt);
enum verdict admit_breaker(struct attempt *attempt); /* the breaker alone */
void admit_give_back(struct attempt *attempt);       /* what it holds */

/* admit_settle(attempt): the whole call failed: tells the breaker what it kept, and gives everything back. */
void admit_settle(struct attempt *attempt);

/* admit_applies(conf, endpoint, seed): whether a rejection is really applied: not in observe mode, and only to the
 * enforced share; else it is counted. */
bool admit_applies(const struct conf *conf, uint32_t endpoint, uint64_t seed);

/* admit_announce(endpoint, verdict, error, now_ns): tells the operator of a refusal. */
void admit_announce(uint32_t endpoint, enum verdict verdict, int error, uint64_t now_ns);

/* admit_refuse(attempt, verdict): tells the operator, returns -1 with the destination's errno. */
int admit_refuse(const struct attempt *attempt, enum verdict verdict);

/* admit_error(attempt, verdict): likewise, and the errno of it. */
int admit_error(const struct attempt *attempt, enum verdict verdict);

struct gate admit_gate(const struct attempt *attempt);

#endif
