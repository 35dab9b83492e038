/* SPDX-License-Identifier: MIT
 * Endpoints into rules. */
#include "config/emit_endpoints.h"

#include <string.h>

#include "policy/balance.h"

void emit_endpoint_lists(const struct endpoint_source *source, const struct endpoint *lists[ENDPOINT_LISTS])
{
    const struct setting *const settings[ENDPOINT_LISTS] = {source->endpoints, source->fallback, source->via};
    for (int list = 0; list < ENDPOINT_LISTS; list++)
        lists[list] = settings[list] ? settings[list]->endpoints : NULL;
}

static uint32_t length_of(const struct endpoint *list)
{
    uint32_t count = 0;
    for (const struct endpoint *at = list; at; at = at->next)
        count++;
    return count;
}

uint32_t emit_endpoint_count(const struct endpoint_source *source)
{
    const struct endpoint *lists[ENDPOINT_LISTS];
    emit_endpoint_lists(source, lists);
    return length_of(lists[0]) + length_of(lists[1]) + length_of(lists[2]);
}

/* One tier's sequence; it is left out when it is too long, and then computed at each pick. */
static void emit_cycle(const struct endpoint_source *source, uint32_t tier, struct endpoint_sink *sink,
                       struct rule_destination *row)
{
    uint16_t weight[BALANCE_HOSTS];
    uint8_t member[BALANCE_HOSTS], cycle[BALANCE_CYCLE];
    uint32_t count = 0;
    for (const struct endpoint *at = source->endpoints->endpoints; at; at = at->next, count++) {
        weight[count] = at->rule.weight;
        member[count] = at->rule.backup == tier;
    }
    uint32_t length = balance_cycle(weight, member, count, cycle);
    row->cycle_at[tier] = (uint32_t)sink->cycles_used;
    row->cycle_length[tier] = length;
    if (sink->cycles_used + length <= sink->cycles_max)
        memcpy(sink->cycles + sink->cycles_used, cycle, length);
    sink->cycles_used += length;
}

void emit_endpoints(const struct endpoint_source *source, struct endpoint_sink *sink, struct rule_destination *row)
{
    const struct endpoint *lists[ENDPOINT_LISTS];
    emit_endpoint_lists(source, lists);
    row->endpoints = length_of(lists[0]);
    row->fallbacks = length_of(lists[1]);
    row->via = length_of(lists[2]);
    row->first_endpoint = (uint32_t)sink->used;
    for (int list = 0; list < ENDPOINT_LISTS; list++)
        for (const struct endpoint *at = lists[list]; at; at = at->next, sink->used++)
            if (sink->used < sink->rows_max)
                sink->row[sink->used] = at->rule;
    if (row->endpoints == 0)
        return;
    for (uint32_t tier = 0; tier < 2; tier++)
        if (source->balance && source->balance->value == BALANCE_WEIGHTED)
            emit_cycle(source, tier, sink, row);
}
