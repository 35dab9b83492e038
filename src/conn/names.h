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

enum { NAMES_MAX = 256 };

/* names_add(name, family, addr): addr (4 or 16 bytes) is an address of name. Literal addresses are no names. */
void names_add(const char *name, int family, const void *addr);
void names_add_list(const char *name, const struct addrinfo *list);
void names_add_host(const char *name, const struct hostent *host);

/* names_find(family, addr, out, size): the name in lower case that this thread, else any thread, resolved last to this
 * address. False when there is none. */
bool names_find(int family, const uint8_t addr[16], char *out, size_t size);

/* The calling thread is inside the resolver: connections there belong to libc's plugins, not to the program. */
bool names_resolving(void);
void names_enter(void);
void names_leave(void);

#endif
