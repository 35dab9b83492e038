/* SPDX-License-Identifier: MIT
 * Which destination a connection belongs to. Pure; any thread; signal safe; never allocates.
 *
 * Order: exact name, literal address or path, wildcard (longest suffix), path prefix (longest), CIDR
 * (longest prefix), "*"; with a port before without, the narrower port range first; then with app or
 * uid before without; then the first in the file. v4-mapped IPv6 addresses match as IPv4.
 */
#ifndef RESIL_CONFIG_MATCH_H
#define RESIL_CONFIG_MATCH_H

#include "config/rules.h"

struct match_query {
    int family;    /* AF_INET, AF_INET6 (never v4-mapped), AF_UNIX */
    uint16_t port; /* host order; 0 for AF_UNIX */
    uint8_t addr[16];
    const char *name;    /* the name that the address was resolved from, lower case, or NULL */
    const char *path;    /* AF_UNIX: the path, "@name" when abstract */
    const char *program; /* basename of the executable */
    uint32_t uid;
};

/* rules_find(rules, query): index of the destination that wins, or -1 when none matches.
 * *match (may be NULL) receives the winning pattern. */
int rules_find(const struct rules *rules, const struct match_query *query, const struct rule_match **match);

#endif
