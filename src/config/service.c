/* SPDX-License-Identifier: MIT
 * Names <-> addresses that only the rules know. */
#include "config/service.h"

#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "policy/balance.h"

enum { NUMBERS = 1 << 17 }; /* addresses of 198.18.0.0/15 */

static const uint8_t v4_network[2] = {198, 18};
static const uint8_t v6_network[6] = {0x20, 0x01, 0x00, 0x02, 0, 0};

static bool same_name(const char *name, const char *text, size_t bytes)
{
    size_t length = strlen(name);
    length -= length > 0 && name[length - 1] == '.';
    for (size_t i = 0; length == bytes && i < bytes; i++) {
        char c = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + ('a' - 'A')) : name[i];
        if (c != text[i])
            return false;
    }
    return length == bytes;
}

/* Without the network's first and last address. */
static uint32_t base_of(const char *name)
{
    return 1 + (uint32_t)(balance_hash(name, strlen(name)) % (NUMBERS - 2));
}

static uint32_t number_of(const struct rule_match *match)
{
    uint32_t number;
    memcpy(&number, match->addr, sizeof number);
    return number < NUMBERS ? number : 0;
}

static bool is_taken(const struct rule_match *first, const struct rule_match *match, uint32_t number)
{
    for (const struct rule_match *other = first; other < match; other++)
        if (other->kind == MATCH_NAME && number_of(other) == number)
            return true;
    return false;
}

void service_number(const struct rule_match *first, struct rule_match *match, const char *name,
                    const struct rule_match *same)
{
    uint32_t number = same ? number_of(same) : base_of(name);
    while (!same && is_taken(first, match, number))
        number = number + 1 < NUMBERS ? number + 1 : 1;
    memcpy(match->addr, &number, sizeof number);
}

/* Whether the pattern is about whoever asks, and is enforced. */
static bool concerns(const struct rules *rules, const struct rule_match *match, const struct service_asker *asker)
{
    if (rules_destination(rules, match->destination)->conf.mode != MODE_ENFORCE)
        return false;
    if (match->uid >= 0 && match->uid != (int64_t)asker->uid)
        return false;
    return match->app == 0 || text_glob(rules_text(rules, match->app), asker->program);
}

/* `discover` finds its endpoints later. */
static bool leads(const struct rule_destination *destination)
{
    return rules_places(destination) > 0 || destination->conf.discover != 0;
}

static bool is_for(const struct rules *rules, const struct rule_match *match, const struct service_asker *asker)
{
    return match->kind == MATCH_NAME && leads(rules_destination(rules, match->destination)) &&
           concerns(rules, match, asker);
}

static void add_places(const struct rules *rules, const struct rule_match *match, struct service *out)
{
    const struct rule_destination *destination = rules_destination(rules, match->destination);
    out->has_v4 |= rules_places(destination) == 0; /* not known yet */
    for (uint32_t i = 0; i < rules_places(destination); i++) {
        uint8_t family = rules_endpoint(rules, destination, i)->family;
        out->has_v4 |= family == AF_INET;
        out->has_v6 |= family == AF_INET6;
    }
}

bool service_find(const struct rules *rules, const char *name, const struct service_asker *asker, struct service *out)
{
    *out = (struct service){0};
    for (uint32_t i = 0; i < rules->matches; i++) { /* several ports of one name may lead to several destinations */
        const struct rule_match *match = rules_match(rules, i);
        if (!is_for(rules, match, asker) || !same_name(name, rules_text(rules, match->text), match->text_bytes))
            continue;
        if (!out->name)
            out->number = number_of(match);
        out->name = rules_text(rules, match->text);
        add_places(rules, match, out);
    }
    return out->name && out->number != 0 && (out->has_v4 || out->has_v6);
}

/* How well a pattern fits a name: 0 not at all, 1 for *, more for a longer *.suffix, the most for the name itself. */
static uint32_t fit(const struct rules *rules, const struct rule_match *match, const char *name)
{
    const char *text = rules_text(rules, match->text);
    size_t length = strlen(name), bytes = match->text_bytes;
    length -= length > 0 && name[length - 1] == '.';
    if (match->kind == MATCH_NAME)
        return same_name(name, text, bytes) ? UINT32_MAX : 0;
    if (match->kind == MATCH_SUFFIX)
        return length > bytes && same_name(name + length - bytes, text, bytes) ? 1 + (uint32_t)bytes : 0;
    return match->kind == MATCH_ANY;
}

int64_t service_stale_max(const struct rules *rules, const char *name, const struct service_asker *asker,
                          uint32_t *destination)
{
    uint32_t best = 0;
    int64_t max_ns = 0;
    for (uint32_t i = 0; i < rules->matches; i++) {
        const struct rule_match *match = rules_match(rules, i);
        uint32_t fits = concerns(rules, match, asker) ? fit(rules, match, name) : 0;
        if (fits == 0 || fits < best)
            continue;
        int64_t its_ns = rules_destination(rules, match->destination)->conf.dns_stale_max_ns;
        if (fits > best || its_ns > max_ns) {
            max_ns = its_ns > 0 ? its_ns : 0;
            *destination = match->destination;
        }
        best = fits;
    }
    return max_ns;
}

static uint32_t number_at(int family, const uint8_t addr[16])
{
    if (family == AF_INET && addr[0] == v4_network[0] && (addr[1] & ~1u) == v4_network[1])
        return (addr[1] & 1u) << 16 | (uint32_t)addr[2] << 8 | addr[3];
    static const uint8_t zero[7];
    if (family == AF_INET6 && memcmp(addr, v6_network, sizeof v6_network) == 0 &&
        memcmp(addr + sizeof v6_network, zero, sizeof zero) == 0 && addr[13] < 2)
        return (uint32_t)addr[13] << 16 | (uint32_t)addr[14] << 8 | addr[15];
    return 0;
}

bool service_is_address(int family, const uint8_t addr[16])
{
    return number_at(family, addr) != 0;
}

bool service_at(const struct rules *rules, int family, const uint8_t addr[16], const struct service_asker *asker,
                struct service *out)
{
    uint32_t number = number_at(family, addr);
    for (uint32_t i = 0; number != 0 && i < rules->matches; i++) {
        const struct rule_match *match = rules_match(rules, i);
        if (is_for(rules, match, asker) && number_of(match) == number)
            return service_find(rules, rules_text(rules, match->text), asker, out);
    }
    return false;
}

void service_address(const struct service *service, int family, uint8_t addr[16])
{
    const uint8_t low[3] = {(uint8_t)(service->number >> 16), (uint8_t)(service->number >> 8),
                            (uint8_t)service->number};
    memset(addr, 0, 16);
    if (family == AF_INET) {
        addr[0] = v4_network[0];
        addr[1] = (uint8_t)(v4_network[1] | low[0]);
        memcpy(addr + 2, low + 1, 2);
        return;
    }
    memcpy(addr, v6_network, sizeof v6_network);
    memcpy(addr + 13, low, sizeof low);
}
