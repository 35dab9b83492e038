/* SPDX-License-Identifier: MIT
 * Chaos at lookups. Any thread; not in signal handlers, where nobody looks names up. Sleeps; errno as it is. */
#ifndef RESIL_CONN_INJECT_DNS_H
#define RESIL_CONN_INJECT_DNS_H

/* What becomes of a lookup: it is made; it fails, as with a server that does not answer; it finds that the name has no
 * address. */
enum inject_lookup { LOOKUP_REAL, LOOKUP_FAILS, LOOKUP_EMPTY };

/* inject_lookup(name, port): before a lookup of name (NULL and literal addresses are none) for a port (0 = not told):
 * waits for as long as it is delayed, and says what becomes of it. */
enum inject_lookup inject_lookup(const char *name, int port);

#endif
