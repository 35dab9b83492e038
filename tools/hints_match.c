/* SPDX-License-Identifier: MIT
 * Hints about patterns. */
#include <string.h>
#include <sys/socket.h>

#include "config/match.h"
#include "hints.h"
#include "target.h"

static bool same_target(const struct rules *rules, const struct rule_match *a, const struct rule_match *b)
{
    return a->kind == b->kind && a->family == b->family && a->prefix_bits == b->prefix_bits &&
           memcmp(a->addr, b->addr, sizeof a->addr) == 0 &&
           strcmp(rules_text(rules, a->text), rules_text(rules, b->text)) == 0;
}

/* A network of one address, beside that address. */
static bool is_alone(const struct rule_match *address, const struct rule_match *network)
{
    return address->kind == MATCH_ADDRESS && network->kind == MATCH_CIDR && address->family == network->family &&
           network->prefix_bits == (network->family == AF_INET ? 32 : 128) &&
           memcmp(address->addr, network->addr, sizeof address->addr) == 0;
}

/* Whether every connection that fits b fits a as well. */
static bool covers(const struct rules *rules, const struct rule_match *a, const struct rule_match *b)
{
    const char *a_app = rules_text(rules, a->app), *b_app = rules_text(rules, b->app);
    bool app = a->app == 0 || (b->app && (strcmp(a_app, "*") == 0 || strcmp(a_app, b_app) == 0));
    bool uid = a->uid < 0 || a->uid == b->uid;
    bool port = !a->has_port || (a->port_low <= b->port_low && a->port_high >= b->port_high) ||
                (a->port_low <= 1 && a->port_high == UINT16_MAX);
    return app && uid && port && (same_target(rules, a, b) || is_alone(a, b));
}

/* The patterns of the model stand in the order of the rules' matches. */
void hint_shadowed(struct hint_asked *asked)
{
    char text[TARGET_TEXT * 2], by[TARGET_TEXT * 2];
    const struct rules *rules = asked->rules;
    uint32_t index = 0;
    for (const struct pattern *at = asked->model->first_pattern; at; at = at->next, index++) {
        const struct rule_match *match = rules_match(rules, index);
        const struct pattern *other = asked->model->first_pattern;
        uint32_t rival = 0;
        if (match->destination != asked->index)
            continue;
        for (; other; other = other->next, rival++)
            if (rival != index && covers(rules, rules_match(rules, rival), match) &&
                rules_prefers(rules_match(rules, rival), match))
                break;
        if (other)
            hint_say_at(asked, at->file, match->line,
                        "match = %.100s never wins: %.100s of [destination %s], line %u, does",
                        pattern_text(rules, match, text, sizeof text),
                        pattern_text(rules, rules_match(rules, rival), by, sizeof by), other->destination->name,
                        rules_match(rules, rival)->line);
    }
}

static const char *obstacle(const struct rules *rules, const struct rule_match *match)
{
    bool is_network = match->kind == MATCH_ADDRESS || match->kind == MATCH_CIDR;
    if (strchr(rules_text(rules, match->app), '/'))
        return "app= is compared with the program's name, which has no slash";
    if (is_network && match->family == AF_INET && match->addr[0] >= 224 && match->addr[0] <= 239 &&
        (match->kind == MATCH_ADDRESS || match->prefix_bits >= 4))
        return "no stream connection goes to a multicast address";
    if (is_network && match->family == AF_INET6 && match->addr[0] == 0xff &&
        (match->kind == MATCH_ADDRESS || match->prefix_bits >= 8))
        return "no stream connection goes to a multicast address";
    return NULL;
}

void hint_never_matches(struct hint_asked *asked)
{
    char text[TARGET_TEXT * 2];
    uint32_t index = 0;
    for (const struct pattern *at = asked->model->first_pattern; at; at = at->next, index++) {
        const struct rule_match *match = rules_match(asked->rules, index);
        const char *why = obstacle(asked->rules, match);
        if (match->destination == asked->index && why)
            hint_say_at(asked, at->file, match->line, "match = %.160s can never match: %s",
                        pattern_text(asked->rules, match, text, sizeof text), why);
    }
}
