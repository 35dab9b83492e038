/* SPDX-License-Identifier: MIT
 * Destination and endpoint rows: found by their key, made when missing, never removed.
 *
 * Open addressing over the row table, from a hash of the key. A row is claimed by a compare-and-swap of
 * its hash; who meets a claimed row of its own hash fills it too (all bytes follow from the key), so
 * nobody waits and a dead claimer costs nothing. Any thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_ROWS_H
#define RESIL_SEGMENT_ROWS_H

#include <stdbool.h>

#include "segment/segment.h"

#define ROW_NONE UINT32_MAX

struct row_key {
    uint32_t kind;   /* ROW_DESTINATION, ROW_ENDPOINT, ROW_ACCOUNT, ROW_FALLBACK or ROW_CHECK */
    uint32_t parent; /* of the others: the row of their destination */
    uint16_t family; /* of an endpoint; what an account counts */
    uint16_t port;
    uint8_t addr[16];
    const char *name; /* the destination's */
    const char *path; /* of an AF_UNIX endpoint; what a check asks; else NULL */
};

/* rows_get(segment, key): the row's index; ROW_NONE when the table is full (counted in header->dropped). */
uint32_t rows_get(const struct segment *segment, const struct row_key *key);

/* rows_ready(row): whether the row is filled: the question of readers. */
bool rows_ready(const struct seg_row *row);

/* unmatched_count(segment, ...): counts a connect that no destination matched; at most SEG_UNMATCHED addresses are
 * kept, the one not seen for longest makes room. */
void unmatched_count(const struct segment *segment, uint16_t family, uint16_t port, const uint8_t addr[16],
                     uint64_t now_ns);

/* "127.0.0.1:80", "[::1]:80" into out; returns out. */
char *address_label(char *out, size_t size, uint16_t family, const uint8_t addr[16], uint16_t port);

#endif
