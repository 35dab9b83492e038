/* SPDX-License-Identifier: MIT
 * The slots that a connection holds: its place in the ledger, and its shares of every limit that concerns it.
 *
 * A slot is released by its tag: releasing one twice, or one that somebody reclaimed, does nothing. So a copy may be
 * released by whoever moved the connection's state, and nobody has to clear the original. Any thread; signal safe. */
#ifndef RESIL_CONN_SLOTS_H
#define RESIL_CONN_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "conn/account.h"
#include "policy/conf.h"
#include "segment/ledger.h"
#include "tables/enums.h"

/* In the order in which they are taken: nobody waits for an endpoint with a slot of the whole destination in hand. */
enum slot_kind {
    SLOT_ENDPOINT,   /* bulkhead.endpoint_limit */
    SLOT_SHARE,      /* bulkhead.limit of one process or user */
    SLOT_CONNECTION, /* the connection itself: what status counts; bulkhead.limit of the host */
    SLOT_EXCHANGE,   /* bulkhead.unit = exchange: while an answer is awaited */
    SLOT_KINDS
};

struct held {
    const struct segment *segment; /* NULL: none */
    uint32_t row;                  /* of the account */
    uint32_t owner;                /* in a segment of our own; in the shared one it is host.owner */
    struct slot slot;
};

/* Who asks for what. */
struct slot_wish {
    const struct conf *conf;
    struct account account;
    uint32_t destination, endpoint; /* rows */
    int fd;
    uint64_t cookie, now_ns;
    uint64_t end_ns; /* nobody waits beyond it, 0 = no bound */
    int64_t limit;   /* <= 0: none */
    bool follows;    /* it is the bulkhead's, which may move while one waits (segment/limit.h) */
    bool may_queue;
};

/* slots_take(wish, held, expiry_ns): takes a slot, or a place in the queue (LEDGER_QUEUED), which is given up at
 * *expiry_ns. */
enum ledger_result slots_take(const struct slot_wish *wish, struct held *held, uint64_t *expiry_ns);

/* slots_wait(wish, held, expiry_ns): sleeps until it is the queued slot's turn. ADMIT, or QUEUE_TIMEOUT with the place
 * given up; ADMIT with nothing held once everything is switched off. A cancellation point. */
enum verdict slots_wait(const struct slot_wish *wish, struct held *held, uint64_t expiry_ns);

/* slots_limit(wish): the limit at this moment. */
int64_t slots_limit(const struct slot_wish *wish);

/* slots_turn(held, limit, now_ns): without sleeping: whether it is the queued slot's turn now, or was already. */
bool slots_turn(const struct held *held, int64_t limit, uint64_t now_ns);

/* slots_owner(held): who holds it: this process, in the slot's segment. */
uint32_t slots_owner(const struct held *held);

void slots_release(struct held *held); /* also gives up a place in the queue */
void slots_release_all(struct held held[SLOT_KINDS]);

/* slots_priority(conf): this process's: RESIL_PRIORITY, else the destination's. */
uint64_t slots_priority(const struct conf *conf);

#endif
