/* SPDX-License-Identifier: MIT
 * Faults of lookups. The destination is the one whose pattern has the name; a lookup that does not tell its port
 * belongs to the first one with that name at any port. */
#include "conn/inject_dns.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/match.h"
#include "conn/admit.h"
#include "conn/attempt.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "segment/rows.h"

static bool is_literal(const char *name)
{
    struct in_addr scratch;
    return inet_aton(name, &scratch) != 0 || strchr(name, ':') != NULL;
}

static int find_destination(const struct rules *rules, const char *name, int port)
{
    const struct rule_match *best = NULL;
    struct match_query query = {
        .port = (uint16_t)port,
        .name = name,
        .program = host.program,
        .uid = geteuid(),
    };
    int found = rules_find(rules, &query, &best);
    if (port != 0 || (best && best->kind != MATCH_ANY))
        return found;
    for (uint32_t i = 0; i < rules->matches; i++) {
        const struct rule_match *match = rules_match(rules, i);
        bool named = match->kind == MATCH_NAME || match->kind == MATCH_SUFFIX;
        query.port = match->port_low;
        int index = match->has_port && named ? rules_find(rules, &query, &best) : -1;
        if (index >= 0 && best == match)
            return index;
    }
    return found;
}

static bool any_lookup(const struct faults *faults)
{
    for (uint32_t i = 0; faults && i < faults->used; i++)
        if (faults->fault[i].call == FAULT_AT_DNS)
            return true;
    return false;
}

/* What the struck faults do: delays add up, the first failure decides. */
static enum inject_lookup carry_out(const struct faults *faults, uint32_t struck, uint64_t *delay_ns)
{
    enum inject_lookup what = LOOKUP_REAL;
    for (uint32_t i = 0; i < faults->used; i++) {
        const struct fault *fault = &faults->fault[i];
        if (!(struck & 1u << i))
            continue;
        if (fault->dns == FAULT_DNS_DELAY)
            *delay_ns += (uint64_t)fault->delay_ns;
        else if (what == LOOKUP_REAL)
            what = fault->dns == FAULT_DNS_FAIL ? LOOKUP_FAILS : LOOKUP_EMPTY;
    }
    return what;
}

static enum inject_lookup look_up(const char *name, int port)
{
    const struct rules *rules = host_rules();
    int index = rules ? find_destination(rules, name, port) : -1;
    const char *destination = ADMIT_UNMATCHED, *spec = "";
    uint64_t chaos_wall_ns = 0;
    if (index >= 0) {
        uint32_t effective = (uint32_t)index;
        uint64_t now_ns = clock_now_ns();
        chaos_wall_ns = host_chaos_wall_ns(rules, effective, now_ns);
        rules = host_effective(rules, &effective, now_ns);
        index = (int)effective;
        const struct rule_destination *rule = rules_destination(rules, effective);
        destination = rules_text(rules, rule->name);
        spec = rules_text(rules, rule->conf.chaos);
        if (rule->conf.mode == MODE_OFF || strcmp(spec, "deny") == 0)
            return LOOKUP_REAL;
    }
    const struct faults *own = any_lookup(&host.faults) ? &host.faults : NULL;
    const struct faults *ruled = *spec ? host_rule_faults(rules, (uint32_t)index) : NULL;
    if (!own && !any_lookup(ruled))
        return LOOKUP_REAL;
    struct row_key key = {.kind = ROW_DESTINATION, .name = destination};
    struct inject_call call = {.name = destination, .row = rows_get(&host.segment, &key)};
    if (call.row == ROW_NONE)
        return LOOKUP_REAL;
    uint64_t delay_ns = 0;
    enum inject_lookup what = LOOKUP_REAL;
    inject_number_lookup(&call);
    if (own)
        what = carry_out(own, inject_draw_lookup(&call, INJECT_OWN, own, host.chaos_began_ns), &delay_ns);
    if (what == LOOKUP_REAL && delay_ns == 0 && ruled)
        what = carry_out(ruled, inject_draw_lookup(&call, INJECT_RULES, ruled, host_rules_began_ns(chaos_wall_ns)),
                         &delay_ns);
    if (what != LOOKUP_REAL || delay_ns > 0)
        seg_count(seg_row(&host.segment, call.row), COUNTER_chaos_injected, 1);
    if (delay_ns > 0)
        inject_sleep((int64_t)delay_ns);
    return what;
}

enum inject_lookup inject_lookup(const char *name, int port)
{
    if (host.inert || !name || !*name || is_literal(name) || (host.disabled & DISABLE_CHAOS) || !host_attach() ||
        host_off())
        return LOOKUP_REAL;
    return look_up(name, port);
}
