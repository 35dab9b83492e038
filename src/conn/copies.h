/* SPDX-License-Identifier: MIT
 * The private copies of the published rules: which one is current, and when an old one can go.
 *
 * Rules may be published every few seconds for months, so that old copies must go, and threads read them without a
 * lock. A copy that is no longer current is given back when nobody has it pinned and it has been out of use for five
 * seconds. Who keeps a pointer into it over a wait pins it: a connect call from its beginning to its end, and a record
 * while it keeps a call (conn/pending.h, conn/replay.h). Who only looks, in between two waits of nobody knows what, is
 * protected by the five seconds. A record has its own copy of the values (struct conn.own), and faults are kept for
 * ever, once for each text, so that an open connection pins nothing.
 *
 * A call that is left by a long jump or a cancellation keeps its pin: that copy stays. A forked child inherits the pins
 * of threads that it does not have, for the copies of that moment. Any thread; signal safe; raw system calls.
 */
#ifndef RESIL_CONN_COPIES_H
#define RESIL_CONN_COPIES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "config/live.h"

/* What stands before each private copy of the rules. */
struct rules_copy {
    _Alignas(LIVE_ALIGNMENT) const struct live *live; /* what is laid over them, in the same mapping; NULL = nothing */
    size_t bytes;                                     /* of the mapping */
    struct rules_copy *older;                         /* in the list of those that are not current */
    uint64_t retired_ns;                              /* when it ceased to be current */
    _Atomic uint32_t pins;
};
_Static_assert(sizeof(struct rules_copy) % LIVE_ALIGNMENT == 0, "the rules behind it are aligned");

static inline struct rules_copy *copies_of(const struct rules *rules)
{
    return (struct rules_copy *)(uintptr_t)rules - 1;
}

/* copies_replace(copy): makes it the current one, and gives back what can go. By whoever has the turn to refresh. */
void copies_replace(struct rules_copy *copy);

/* copies_pin(rules): of rules that host_rules() returned a moment ago; NULL is none. copies_unpin(&pin): once, whatever
 * it holds; NULL is none. */
struct rules_copy *copies_pin(const struct rules *rules);
struct rules_copy *copies_share(struct rules_copy *pin); /* pins it once more */
void copies_unpin(struct rules_copy **pin);

#endif
