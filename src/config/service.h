/* SPDX-License-Identifier: MIT
 * Service names: names that stand in `match` of a destination which says itself where its connections go (`endpoints`,
 * `fallback`, `via`). They need not exist in DNS: each has an IPv4 and an IPv6 address of its own, out of the networks
 * that RFC 2544 and RFC 5180 set aside for benchmarks, 198.18.0.0/15 and 2001:2::/48. Nothing on the Internet is there,
 * no host has such an address by default, and no program takes them for private, local or invalid ones.
 *
 * The address follows from the name alone (and, where two names of one configuration collide, from their order), so
 * that it is the same in all processes and after a reload. Pure: reads the rules; any thread; signal safe. */
#ifndef RESIL_CONFIG_SERVICE_H
#define RESIL_CONFIG_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/rules.h"

struct service {
    const char *name; /* in the rules */
    uint32_t number;  /* of the address within its network */
    bool has_v4;      /* it leads to IPv4 addresses: an AF_INET socket, too, gets somewhere */
    bool has_v6;
};

/* Who asks. */
struct service_asker {
    const char *program;
    uint32_t uid;
};

/* service_number(first, match, name, same): while rules are compiled: gives the pattern of this name its number, other
 * than that of those from `first` up to it; same: an earlier pattern of the same name, NULL = none. It stands in
 * `addr`, which the pattern of a name has no other use for. */
void service_number(const struct rule_match *first, struct rule_match *match, const char *name,
                    const struct rule_match *same);

/* service_find(rules, name, asker, out): the service of that name, in whatever case, with or without the last dot.
 * False when no enforced destination matches this very name and says where it leads. */
bool service_find(const struct rules *rules, const char *name, const struct service_asker *asker, struct service *out);

/* service_is_address(family, addr): whether it lies in one of the networks. service_at(): the service with that
 * address; false when there is none. */
bool service_is_address(int family, const uint8_t addr[16]);
bool service_at(const struct rules *rules, int family, const uint8_t addr[16], const struct service_asker *asker,
                struct service *out);

/* service_stale_max(rules, name, asker, destination): for how long the last good answer to a lookup of name may be
 * served
 * (`dns.stale_max`), in ns, and the index of the enforced destination that says so: of those that match the name
 * itself, else the longest *.suffix, else *, the one that allows most. 0: none. The port of a lookup is not known. */
int64_t service_stale_max(const struct rules *rules, const char *name, const struct service_asker *asker,
                          uint32_t *destination);

/* service_address(service, family, addr): its address: 4 or 16 bytes. */
void service_address(const struct service *service, int family, uint8_t addr[16]);

#endif
