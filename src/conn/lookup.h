/* SPDX-License-Identifier: MIT
 * What a lookup answers that failed: the last good addresses, when no name server could be asked (`dns.stale_max`),
 * else the address of a service name (config/service.h). Never instead of a good answer.
 *
 * Any thread, as the resolver's own functions. Attaches to the segment; lookup_addrinfo() allocates, by libc's
 * getaddrinfo and for its caller to free as that. */
#ifndef RESIL_CONN_LOOKUP_H
#define RESIL_CONN_LOOKUP_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* lookup_addrinfo(node, service, hints, list, failed): getaddrinfo() with these arguments said `failed`: 0 with *list,
 * or `failed`. */
int lookup_addrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list,
                    int failed);

/* lookup_host(name, family, herror, entry, buf, size): gethostbyname() and its variants said herror (h_errno).
 *   NOTHING   the failure stands
 *   FOUND     entry is filled, all of it lies in buf
 *   NO_ROOM   buf is too small */
enum lookup { LOOKUP_NOTHING, LOOKUP_FOUND, LOOKUP_NO_ROOM };
enum lookup lookup_host(const char *name, int family, int herror, struct hostent *entry, char *buf, size_t size);

/* lookup_share(name, family, addr): a connection to addr, which the process got by looking up name, is about to be
 * made: all that this lookup answered is kept for `dns.stale_max`, in the segment. Attached callers only. */
void lookup_share(const char *name, int family, const uint8_t addr[16]);

/* lookup_back(addr, length, out, size): the name of the service that has this address, for who asks back: its length
 * with the NUL, copied where that is at most size; 0 when it is no service's. Attaches where it may be one. */
size_t lookup_back(const struct sockaddr *addr, socklen_t length, char *out, size_t size);

/* lookup_name(family, addr): the service that has this address, for a program that got it from somebody else (a parent,
 * a file); NULL when there is none. Attached callers only. */
const char *lookup_name(int family, const uint8_t addr[16]);

#endif
