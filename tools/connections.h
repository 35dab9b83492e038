/* SPDX-License-Identifier: MIT
 * The open and the waiting connections of a segment, as its ledger has them. Reads only; every byte may be anything. */
#ifndef RESCTL_CONNECTIONS_H
#define RESCTL_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "liveness.h"

struct connection {
    char destination[SEG_NAME];
    char endpoint[SEG_LABEL]; /* "" when the entry names none */
    char program[SEG_PROGRAM];
    uint32_t destination_row, line_row; /* the row that it waits for: a destination's, an endpoint's or an account's */
    uint32_t holder;                    /* its place in the registry: the owner's, or an heir's of a dead one */
    uint32_t pid;                       /* likewise */
    uint32_t fd;                        /* of who made it */
    uint64_t cookie;                    /* SO_COOKIE */
    uint64_t age_ns;
    bool is_fallback; /* to a target of the destination's fallback */
    bool queued;      /* else held */
    bool is_exchange; /* queued: an exchange waits, on a connection that is held already */
    bool in_exchange; /* held: an answer is awaited, where bulkhead.unit counts exchanges */
    bool lent;        /* a program without the library was given the socket */
    uint32_t priority;
    uint64_t ticket;
    uint64_t rest_ns; /* queued: time until it gives up */
    uint32_t place;   /* queued: 1 is the first in its line */
};

struct connections {
    struct connection *item; /* by destination, then held before queued, then by age or by place */
    uint32_t count;
};

/* connections_gather(segment, liveness, now_ns): those of living holders. For connections_release(). */
struct connections connections_gather(const struct segment *segment, struct liveness *liveness, uint64_t now_ns);
void connections_release(struct connections *connections);

/* connections_holder(liveness, entry, owner, held): who of an entry's owner and heirs is alive; 0: nobody. A slot whose
 * owner died is still taken while another process holds the socket: the reaper will hand it over. The owner, too, while
 * a child that it forked before it died has not arrived (registry_holds). */
uint32_t connections_holder(struct liveness *liveness, const struct seg_entry *entry, uint32_t owner, bool held);

#endif
