/* SPDX-License-Identifier: MIT
 * Endpoints into rules. */
#include "config/emit_endpoints.h"

#include <string.h>

#include "policy/balance.h"

uint32_t emit_endpoint_count(const struct endpoint_source *source)
{
    uint32_t count = 0;
    for (const struct endpoint *at = source->endpoints ? source->endpoints->endpoints : NULL; at; at = at->next)
        count++;
    return count;
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
    row->endpoints = emit_endpoint_count(source);
    row->first_endpoint = (uint32_t)sink->used;
    if (row->endpoints == 0)
        return;
    for (const struct endpoint *at = source->endpoints->endpoints; at; at = at->next, sink->used++)
        if (sink->used < sink->rows_max)
            sink->row[sink->used] = at->rule;
    for (uint32_t tier = 0; tier < 2; tier++)
        if (source->balance && source->balance->value == BALANCE_WEIGHTED)
            emit_cycle(source, tier, sink, row);
}
