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

/* rules_prefers(a, b): whether pattern a wins where both fit; both of one block of rules. */
bool rules_prefers(const struct rule_match *a, const struct rule_match *b);

/* Why a pattern is not the one that wins. */
enum match_why {
    MATCH_WINS,
    MATCH_KIND,   /* it fits, but names the target in a less specific way */
    MATCH_LENGTH, /* it fits, but its domain, path or network is wider */
    MATCH_PORT,   /* it fits, but names no port, or a wider range */
    MATCH_PLAIN,  /* it fits, but has no app= or uid= */
    MATCH_LATER,  /* it fits as well as the winner, and stands behind it */
    MATCH_MISSES, /* it is of another target */
    MATCH_MISSES_PORT,
    MATCH_MISSES_UID,
    MATCH_MISSES_APP
};

/* rules_judge(rules, query, match, winner): why `match' is not the winner (NULL: there is none) of rules_find(). */
enum match_why rules_judge(const struct rules *rules, const struct match_query *query, const struct rule_match *match,
                           const struct rule_match *winner);

#endif
