/* SPDX-License-Identifier: MIT
 * Rules as bytes that others wrote: the check that makes them safe to read, and the way to read them. */
#include "config/rules.h"

#include <string.h>
#include <sys/socket.h>

#include "base/crc32.h"
#include "config/keys.h"
#include "config/target.h"
#include "policy/balance.h"

enum {
    NAME_BYTES_MAX = 63,
    UNIX_PATH_MAX = 107,
    PATTERN_BYTES_MAX = 512,
    ROW_ALIGNMENT = 8,
    CONF_BYTES_MAX = 1 << 16,
    CRC_FROM = 8
};

#define CHECK_NS_MAX (24 * 3600 * 1000000000ll)

_Static_assert(offsetof(struct rules, bytes) == CRC_FROM, "the crc covers what follows it");

static const uint8_t *at(const struct rules *rules, uint64_t offset)
{
    return (const uint8_t *)rules + offset;
}

/* A later writer may have appended keys: its rows are longer, and begin with ours. */
static uint64_t destination_bytes(const struct rules *rules)
{
    return offsetof(struct rule_destination, conf) + (uint64_t)rules->conf_bytes;
}

static bool region_fits(const struct rules *rules, uint32_t begin, uint64_t bytes, uint32_t alignment)
{
    return begin >= sizeof *rules && begin % alignment == 0 && (uint64_t)begin + bytes <= rules->bytes;
}

static bool header_valid(const struct rules *rules, size_t bytes)
{
    if (rules->magic != RULES_MAGIC || rules->bytes < sizeof *rules || rules->bytes > bytes)
        return false;
    if (rules->conf_bytes < sizeof(struct conf) || rules->conf_bytes > CONF_BYTES_MAX ||
        rules->conf_bytes % sizeof(int64_t) != 0)
        return false;
    return region_fits(rules, rules->destinations_at, rules->destinations * destination_bytes(rules), ROW_ALIGNMENT) &&
           region_fits(rules, rules->matches_at, rules->matches * (uint64_t)sizeof(struct rule_match), ROW_ALIGNMENT) &&
           region_fits(rules, rules->endpoints_at, rules->endpoints * (uint64_t)sizeof(struct rule_endpoint),
                       ROW_ALIGNMENT) &&
           region_fits(rules, rules->checks_at, rules->checks * (uint64_t)sizeof(struct rule_check), ROW_ALIGNMENT) &&
           region_fits(rules, rules->cycles_at, rules->cycles_bytes, 1) &&
           region_fits(rules, rules->strings_at, rules->strings_bytes, 1) && rules->strings_bytes > 0 &&
           rules->crc == crc32_update(0, at(rules, CRC_FROM), rules->bytes - CRC_FROM);
}

/* The pool begins and ends with NUL: then every offset into it is a string that ends inside. */
static bool pool_valid(const struct rules *rules)
{
    const uint8_t *pool = at(rules, rules->strings_at);
    return pool[0] == 0 && pool[rules->strings_bytes - 1] == 0;
}

static bool endpoint_valid(const struct rules *rules, const struct rule_endpoint *row)
{
    if (row->text >= rules->strings_bytes || row->backup > 1 || row->weight < 1 || row->weight > BALANCE_WEIGHT_MAX)
        return false;
    if (row->family != AF_UNIX)
        return (row->family == AF_INET || row->family == AF_INET6) && row->port > 0;
    const char *text = rules_text(rules, row->text);
    size_t prefix = strlen(RULES_UNIX), length = strnlen(text, prefix + UNIX_PATH_MAX + 1);
    return row->port == 0 && strncmp(text, RULES_UNIX, prefix) == 0 && length > prefix &&
           length <= prefix + UNIX_PATH_MAX;
}

/* The endpoints of a destination, and their sequences. */
static bool endpoints_valid(const struct rules *rules, const struct rule_destination *row)
{
    if (row->endpoints > BALANCE_HOSTS || row->fallbacks > RULES_FALLBACKS || row->via > 1 ||
        row->first_endpoint > rules->endpoints || rules_places(row) > rules->endpoints - row->first_endpoint)
        return false;
    for (uint32_t index = 0; index < rules_places(row); index++)
        if (!endpoint_valid(rules, rules_endpoint(rules, row, index)))
            return false;
    for (uint32_t tier = 0; tier < 2; tier++) {
        if (row->cycle_length[tier] > BALANCE_CYCLE || row->cycle_at[tier] > rules->cycles_bytes ||
            row->cycle_length[tier] > rules->cycles_bytes - row->cycle_at[tier])
            return false;
        for (uint32_t turn = 0; turn < row->cycle_length[tier]; turn++)
            if (rules_cycle(rules, row, tier)[turn] >= row->endpoints)
                return false;
    }
    return true;
}

static bool destination_valid(const struct rules *rules, const struct rule_destination *row,
                              const struct key_range *ranges)
{
    if (row->name == 0 || row->name >= rules->strings_bytes)
        return false;
    size_t length = strnlen(rules_text(rules, row->name), NAME_BYTES_MAX + 1);
    if (length == 0 || length > NAME_BYTES_MAX || !endpoints_valid(rules, row))
        return false;
    const int64_t *values = (const int64_t *)&row->conf;
    for (int key = 0; key < KEY_COUNT; key++) {
        if (!key_range_holds(&ranges[key], values[key]))
            return false;
    }
    return true;
}

static bool family_valid(const struct rule_match *row)
{
    switch (row->kind) {
    case MATCH_ADDRESS:
    case MATCH_CIDR:
        return row->family == AF_INET ? row->prefix_bits <= 32 : row->family == AF_INET6 && row->prefix_bits <= 128;
    case MATCH_PATH:
    case MATCH_PATH_PREFIX:
        return row->family == AF_UNIX;
    default:
        return row->kind <= MATCH_ANY && row->family == 0;
    }
}

static bool match_valid(const struct rules *rules, const struct rule_match *row)
{
    return row->destination < rules->destinations && family_valid(row) && row->port_low <= row->port_high &&
           row->has_port <= 1 && row->uid >= -1 && row->uid <= (int64_t)UINT32_MAX &&
           row->text < rules->strings_bytes && row->app < rules->strings_bytes &&
           row->text_bytes <= PATTERN_BYTES_MAX &&
           strnlen(rules_text(rules, row->text), PATTERN_BYTES_MAX + 1) == row->text_bytes;
}

static bool check_valid(const struct rules *rules, const struct rule_check *row)
{
    struct target target;
    size_t name = strnlen(rules_text(rules, row->name), NAME_BYTES_MAX + 1);
    const char *text = rules_text(rules, row->target);
    return name > 0 && name <= NAME_BYTES_MAX && row->kind < PROBE_KINDS && row->type <= CHECK_READINESS &&
           row->critical <= 1 && row->interval_ns > 0 && row->interval_ns <= CHECK_NS_MAX && row->timeout_ns > 0 &&
           row->timeout_ns <= CHECK_NS_MAX && row->rise > 0 && row->rise <= UINT8_MAX && row->fall > 0 &&
           row->fall <= UINT8_MAX && target_parse((enum probe_kind)row->kind, text, strlen(text), &target);
}

/* What the agent and resctl alone look at. */
static bool extras_valid(const struct rules *rules)
{
    if (rules->checks > RULES_CHECKS || rules->degraded_code < 200 || rules->degraded_code > 599)
        return false;
    for (uint32_t index = 0; index < rules->checks; index++)
        if (!check_valid(rules, rules_check(rules, index)))
            return false;
    return true;
}

bool rules_valid(const void *block, size_t bytes)
{
    const struct rules *rules = block;
    if (!block || bytes < sizeof *rules || (uintptr_t)block % ROW_ALIGNMENT != 0 || !header_valid(rules, bytes) ||
        !pool_valid(rules))
        return false;
    struct key_range ranges[KEY_COUNT];
    for (int key = 0; key < KEY_COUNT; key++) {
        ranges[key] = key_range(key);
        if (ranges[key].high == INT64_MAX) /* a text: an offset into the pool */
            ranges[key].high = (int64_t)rules->strings_bytes - 1;
    }
    for (uint32_t index = 0; index < rules->destinations; index++)
        if (!destination_valid(rules, rules_destination(rules, index), ranges))
            return false;
    for (uint32_t index = 0; index < rules->matches; index++)
        if (!match_valid(rules, rules_match(rules, index)))
            return false;
    return extras_valid(rules);
}

const struct rule_destination *rules_destination(const struct rules *rules, uint32_t index)
{
    return (const struct rule_destination *)(const void *)at(rules,
                                                             rules->destinations_at + index * destination_bytes(rules));
}

const struct rule_match *rules_match(const struct rules *rules, uint32_t index)
{
    uint64_t offset = rules->matches_at + (uint64_t)index * sizeof(struct rule_match);
    return (const struct rule_match *)(const void *)at(rules, offset);
}

const struct rule_endpoint *rules_endpoint(const struct rules *rules, const struct rule_destination *destination,
                                           uint32_t index)
{
    uint64_t row = (uint64_t)destination->first_endpoint + index;
    return (const struct rule_endpoint *)(const void *)at(rules,
                                                          rules->endpoints_at + row * sizeof(struct rule_endpoint));
}

const struct rule_endpoint *rules_fallback(const struct rules *rules, const struct rule_destination *destination,
                                           uint32_t index)
{
    return index < destination->fallbacks ? rules_endpoint(rules, destination, destination->endpoints + index) : NULL;
}

const struct rule_endpoint *rules_via(const struct rules *rules, const struct rule_destination *destination)
{
    uint32_t index = destination->endpoints + destination->fallbacks;
    return destination->via ? rules_endpoint(rules, destination, index) : NULL;
}

const struct rule_check *rules_check(const struct rules *rules, uint32_t index)
{
    uint64_t offset = rules->checks_at + (uint64_t)index * sizeof(struct rule_check);
    return (const struct rule_check *)(const void *)at(rules, offset);
}

const uint8_t *rules_cycle(const struct rules *rules, const struct rule_destination *destination, uint32_t tier)
{
    return at(rules, (uint64_t)rules->cycles_at + destination->cycle_at[tier]);
}

const char *rules_text(const struct rules *rules, int64_t offset)
{
    if (offset < 0 || offset >= (int64_t)rules->strings_bytes)
        return "";
    return (const char *)at(rules, rules->strings_at + (uint64_t)offset);
}
