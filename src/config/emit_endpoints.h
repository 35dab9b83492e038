/* SPDX-License-Identifier: MIT
 * The endpoints of all destinations, and their sequences, as the block of rules holds them. For emit.c alone. */
#ifndef RESIL_CONFIG_EMIT_ENDPOINTS_H
#define RESIL_CONFIG_EMIT_ENDPOINTS_H

#include "config/model.h"
#include "config/rules.h"

/* What they need of a destination: its effective settings (NULL: nobody sets the key). */
struct endpoint_source {
    const struct setting *endpoints, *balance, *fallback, *via;
};

/* Where the next ones go. `used` and `cycles_used` go on counting when there is no more room. */
struct endpoint_sink {
    struct rule_endpoint *row;
    size_t rows_max, used;
    uint8_t *cycles;
    size_t cycles_max, cycles_used;
};

/* emit_endpoint_count(source): how many that are, fallbacks and via included. */
uint32_t emit_endpoint_count(const struct endpoint_source *source);

/* emit_endpoint_lists(source, lists): their lists, in the order in which they stand in the rules; NULL is empty. */
enum { ENDPOINT_LISTS = 3 };
void emit_endpoint_lists(const struct endpoint_source *source, const struct endpoint *lists[ENDPOINT_LISTS]);

/* emit_endpoints(source, sink, row): the endpoints without their texts, and for balance = weighted the sequences; fills
 * what the destination's row tells of them. */
void emit_endpoints(const struct endpoint_source *source, struct endpoint_sink *sink, struct rule_destination *row);

#endif
