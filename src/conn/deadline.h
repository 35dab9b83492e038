/* SPDX-License-Identifier: MIT
 * Deadlines without a thread: one lower bound for the process.
 *
 * Arming a deadline lowers the bound; disarming leaves it. Every wait (poll, select, epoll_wait) sleeps no
 * longer than to the bound; the wait that reaches it looks at all records, fires what is due, and stores
 * the new bound. A thread that already sleeps cannot be woken by another that arms: therefore no wait
 * lasts longer than the shortest timeout in use, so that it sees in time whatever was armed meanwhile.
 * Any thread; signal safe. */
#ifndef RESIL_CONN_DEADLINE_H
#define RESIL_CONN_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/conf.h"

/* deadline_lower(at_ns): something is due at at_ns. */
void deadline_lower(uint64_t at_ns);

/* deadline_note(conf): a connection with these timeouts begins. */
void deadline_note(const struct conf *conf);

/* deadline_slice_ns(): the longest that a wait may sleep; UINT64_MAX when for ever. Before the first connection the
 * timeouts are not known: a second. */
uint64_t deadline_slice_ns(void);

/* deadline_next(now_ns): the time at which a wait that begins now must look again; UINT64_MAX when never. */
uint64_t deadline_next(uint64_t now_ns);

/* deadline_fire(now_ns): ends every connection that is due, unparks, and finds the new bound. System calls for what is
 * due only. */
void deadline_fire(uint64_t now_ns);

#endif
