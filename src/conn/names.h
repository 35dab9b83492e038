/* SPDX-License-Identifier: MIT
 * Which name an address was resolved from, in this process.
 *
 * A ring of the last lookups in memory of our own, mapped at the first one. A writer takes a place, marks it
 * unfinished, fills it and publishes it; readers re-check. Any thread; signal safe after the first lookup. */
#ifndef RESIL_CONN_NAMES_H
#define RESIL_CONN_NAMES_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segment/lookups.h"

enum { NAMES_MAX = 256 };

/* names_add_list(name, list, good), names_add_host(name, host, good): what a lookup of name has answered; good: the
 * resolver, and not we instead of it. Literal addresses are no names. */
void names_add_list(const char *name, const struct addrinfo *list, bool good);
void names_add_host(const char *name, const struct hostent *host, bool good);

/* names_find(family, addr, out, size): the name in lower case that this thread, else any thread, resolved last to this
 * address. False when there is none. */
bool names_find(int family, const uint8_t addr[16], char *out, size_t size);

/* names_answer(name, family, addr, answer): all that this process's last lookup of name answered that had this address
 * among its answers. Once for each lookup: false afterwards, when there is none, and when it was no good one. */
bool names_answer(const char *name, int family, const uint8_t addr[16], struct lookup_answer *answer);

/* The calling thread is inside the resolver: connections there belong to libc's plugins, not to the program. */
bool names_resolving(void);
void names_enter(void);
void names_leave(void);

#endif
