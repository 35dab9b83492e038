/* SPDX-License-Identifier: MIT
 * The choice of a destination: every pattern is asked, the most specific of those that fit wins. */
#include "config/match.h"

#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Whether length bytes of name, in whatever case, are the lower case text. */
static bool same_name(const char *name, const char *text, size_t length)
{
    for (size_t at = 0; at < length; at++)
        if (lower(name[at]) != text[at])
            return false;
    return true;
}

static size_t name_length(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    return length && name[length - 1] == '.' ? length - 1 : length;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool target_fits(const struct rules *rules, const struct rule_match *match, const struct match_query *query)
{
    const char *text = rules_text(rules, match->text);
    size_t bytes = match->text_bytes, length = name_length(query->name);
    switch (match->kind) {
    case MATCH_NAME:
        return length == bytes && same_name(query->name, text, bytes);
    case MATCH_SUFFIX:
        return length > bytes && same_name(query->name + length - bytes, text, bytes);
    case MATCH_ADDRESS:
        return query->family == match->family &&
               memcmp(query->addr, match->addr, match->family == AF_INET ? 4 : 16) == 0;
    case MATCH_CIDR:
        return query->family == match->family && same_prefix(query->addr, match->addr, match->prefix_bits);
    case MATCH_PATH:
        return query->family == AF_UNIX && query->path && strcmp(query->path, text) == 0;
    case MATCH_PATH_PREFIX:
        return query->family == AF_UNIX && query->path && strncmp(query->path, text, bytes) == 0;
    default:
        /* "*" is every address: socket paths (nscd, syslog, the display) only obey rules that name them. */
        return match->kind == MATCH_ANY && query->family != AF_UNIX;
    }
}

/* MATCH_WINS: nothing speaks against it. */
static enum match_why misses(const struct rules *rules, const struct rule_match *match, const struct match_query *query)
{
    if (match->has_port &&
        (query->family == AF_UNIX || query->port < match->port_low || query->port > match->port_high))
        return MATCH_MISSES_PORT;
    if (match->uid >= 0 && match->uid != (int64_t)query->uid)
        return MATCH_MISSES_UID;
    if (!target_fits(rules, match, query))
        return MATCH_MISSES;
    if (match->app && (!query->program || !text_glob(rules_text(rules, match->app), query->program)))
        return MATCH_MISSES_APP;
    return MATCH_WINS;
}

/* Positive when a is more specific than b, 0 when the order in the file decides. *why: what decided. */
static int more_specific(const struct rule_match *a, const struct rule_match *b, enum match_why *why)
{
    int a_qualified = a->app || a->uid >= 0, b_qualified = b->app || b->uid >= 0;
    *why = MATCH_KIND;
    if (a->kind != b->kind)
        return a->kind < b->kind ? 1 : -1;
    *why = MATCH_LENGTH;
    if (a->text_bytes != b->text_bytes)
        return a->text_bytes > b->text_bytes ? 1 : -1;
    if (a->kind == MATCH_CIDR && a->prefix_bits != b->prefix_bits)
        return a->prefix_bits > b->prefix_bits ? 1 : -1;
    *why = MATCH_PORT;
    if (a->has_port != b->has_port)
        return a->has_port - b->has_port;
    int a_width = a->port_high - a->port_low, b_width = b->port_high - b->port_low;
    if (a_width != b_width)
        return b_width - a_width;
    *why = a_qualified == b_qualified ? MATCH_LATER : MATCH_PLAIN;
    return a_qualified - b_qualified;
}

int rules_find(const struct rules *rules, const struct match_query *query, const struct rule_match **match)
{
    const struct rule_match *best = NULL;
    enum match_why why;
    for (uint32_t index = 0; index < rules->matches; index++) {
        const struct rule_match *candidate = rules_match(rules, index);
        if (misses(rules, candidate, query) == MATCH_WINS && (!best || more_specific(candidate, best, &why) > 0))
            best = candidate;
    }
    if (match)
        *match = best;
    return best ? (int)best->destination : -1;
}

bool rules_prefers(const struct rule_match *a, const struct rule_match *b)
{
    enum match_why why;
    int specific = more_specific(a, b, &why);
    return specific > 0 || (specific == 0 && a < b);
}

enum match_why rules_judge(const struct rules *rules, const struct match_query *query, const struct rule_match *match,
                           const struct rule_match *winner)
{
    /* The target comes first for a reader: a rule of another host is none of his business. */
    enum match_why why = target_fits(rules, match, query) ? misses(rules, match, query) : MATCH_MISSES;
    if (why == MATCH_WINS && match != winner && winner)
        more_specific(match, winner, &why);
    return why;
}
