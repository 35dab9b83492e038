/* SPDX-License-Identifier: MIT
 * The endpoints that are to be checked, and what [check] sections ask. */
#include "health_list.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../checks.h"
#include "../print.h"
#include "config/discovery.h"
#include "segment/rows.h"

/* What all checks of a destination have in common. */
struct listing {
    struct agent *agent;
    const struct rules *rules; /* in which the destination is */
    const struct rule_destination *destination;
    uint32_t parent; /* the destination's row */
    struct target target;
    struct check *first;
};

/* A command has no address; HTTP on a socket in the file system has a path of each kind. */
static void aim(const struct listing *listing, const struct seg_row *row, struct check *check)
{
    struct target target = listing->target;
    if (row->family == AF_UNIX) {
        struct target socket = {.kind = PROBE_TCP};
        snprintf(socket.text, sizeof socket.text, "%s", check->label);
        probe_aim_at(&check->aim, &socket);
        snprintf(target.host, sizeof target.host, "localhost");
        check->aim.target = target;
        return;
    }
    target.port = row->port;
    inet_ntop(row->family, row->addr, target.host, sizeof target.host);
    probe_aim_at(&check->aim, &target);
}

static bool is_listed(const struct listing *listing, uint32_t index)
{
    const struct check *check = listing->first;
    while (check && check->row != index)
        check = check->next;
    return check != NULL;
}

static void add(struct listing *listing, uint32_t index)
{
    const struct conf *conf = &listing->destination->conf;
    if (index == ROW_NONE || is_listed(listing, index))
        return;
    const struct seg_row *row = seg_row(&listing->agent->segment, index);
    struct check *check = take_memory(1, sizeof *check);
    bool longer = conf->health_check_timeout_ns > conf->health_check_interval_ns;
    check->agent = listing->agent;
    check->row = index;
    copy_text(check->label, sizeof check->label, row->label, sizeof row->label);
    check->interval_ns = conf->health_check_interval_ns;
    check->timeout_ns = (uint64_t)(longer ? conf->health_check_interval_ns : conf->health_check_timeout_ns);
    check->rise = conf->health_check_rise;
    check->fall = conf->health_check_fall;
    aim(listing, row, check);
    check->next = listing->first;
    listing->first = check;
}

static struct row_key key_of(const struct listing *listing, uint16_t family, uint16_t port, const uint8_t addr[16])
{
    struct row_key key = {.kind = ROW_ENDPOINT,
                          .parent = listing->parent,
                          .family = family,
                          .port = port,
                          .name = rules_text(listing->rules, listing->destination->name)};
    memcpy(key.addr, addr, sizeof key.addr);
    return key;
}

static void add_configured(struct listing *listing)
{
    const struct rules *rules = listing->rules;
    for (uint32_t i = 0; i < listing->destination->endpoints; i++) {
        const struct rule_endpoint *endpoint = rules_endpoint(rules, listing->destination, i);
        struct row_key key = key_of(listing, endpoint->family, endpoint->port, endpoint->addr);
        if (endpoint->family == AF_UNIX)
            key.path = rules_text(rules, endpoint->text) + strlen(RULES_UNIX);
        add(listing, rows_get(&listing->agent->segment, &key));
    }
}

/* Addresses that the match names, one by one. */
static void add_matched(struct listing *listing, uint32_t destination)
{
    const struct rules *rules = listing->agent->rules;
    for (uint32_t i = 0; i < rules->matches; i++) {
        const struct rule_match *match = rules_match(rules, i);
        if (match->destination != destination || match->kind != MATCH_ADDRESS || match->port_low != match->port_high)
            continue;
        struct row_key key = key_of(listing, match->family, match->port_low, match->addr);
        add(listing, rows_get(&listing->agent->segment, &key));
    }
}

static void add_seen(struct listing *listing)
{
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(&listing->agent->segment, i);
        if (rows_ready(row) && row->kind == ROW_ENDPOINT && row->parent == listing->parent)
            add(listing, i);
    }
}

/* A [check NAME]: its row is its own, and what it asks is its label, so that another question is another row. */
static void add_section(struct listing *listing, const struct rule_check *rule)
{
    const struct rules *rules = listing->agent->rules;
    const char *text = rules_text(rules, rule->target);
    char label[SEG_LABEL];
    struct target target;
    struct row_key key = check_key(rules, rule, label);
    uint32_t index = rows_get(&listing->agent->segment, &key);
    if (index == ROW_NONE || is_listed(listing, index) ||
        !target_parse((enum probe_kind)rule->kind, text, strlen(text), &target))
        return;
    struct check *check = take_memory(1, sizeof *check);
    *check = (struct check){.agent = listing->agent,
                            .row = index,
                            .interval_ns = rule->interval_ns,
                            .rise = rule->rise,
                            .fall = rule->fall,
                            .timeout_ns =
                                (uint64_t)(rule->timeout_ns < rule->interval_ns ? rule->timeout_ns : rule->interval_ns),
                            .next = listing->first};
    copy_text(check->label, sizeof check->label, label, sizeof label);
    probe_aim_at(&check->aim, &target);
    listing->first = check;
}

struct check *health_list(struct agent *agent, bool *grows)
{
    struct listing listing = {.agent = agent};
    for (uint32_t i = 0; i < agent->rules->checks; i++)
        add_section(&listing, rules_check(agent->rules, i));
    for (uint32_t i = 0; i < agent->rules->destinations; i++) {
        listing.destination = agent_destination(agent, i, &listing.rules);
        const struct conf *conf = &listing.destination->conf;
        const char *text = rules_text(listing.rules, conf->health_check);
        struct row_key key = {.kind = ROW_DESTINATION, .name = rules_text(listing.rules, listing.destination->name)};
        if (!*text || conf->mode == MODE_OFF || !health_check_parse(text, strlen(text), &listing.target))
            continue;
        listing.parent = rows_get(&agent->segment, &key);
        if (listing.parent == ROW_NONE)
            continue;
        if (listing.destination->endpoints > 0) {
            add_configured(&listing);
        } else {
            add_matched(&listing, i);
            add_seen(&listing);
            *grows = true;
        }
    }
    return listing.first;
}

static bool same_aim(const struct probe_aim *a, const struct probe_aim *b)
{
    return a->target.kind == b->target.kind && a->target.port == b->target.port &&
           strcmp(a->target.host, b->target.host) == 0 && strcmp(a->target.text, b->target.text) == 0 &&
           a->target.limit_ppm == b->target.limit_ppm && a->addr_bytes == b->addr_bytes &&
           memcmp(&a->addr, &b->addr, a->addr_bytes) == 0;
}

bool health_list_same(const struct check *a, const struct check *b)
{
    return a->row == b->row && a->interval_ns == b->interval_ns && a->timeout_ns == b->timeout_ns &&
           a->rise == b->rise && a->fall == b->fall && same_aim(&a->aim, &b->aim);
}
