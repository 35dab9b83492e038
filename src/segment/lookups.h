/* SPDX-License-Identifier: MIT
 * Last good answers to lookups, shared by all processes: a table of SEG_LOOKUPS names (dns.stale_max).
 *
 * A cache: a name has four places by its hash, and the oldest gives way. No locks: whoever reads sees by the checksum
 * whether an entry is whole. Any thread; signal safe. */
#ifndef RESIL_SEGMENT_LOOKUPS_H
#define RESIL_SEGMENT_LOOKUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

struct lookup_answer {
    uint64_t when_ns; /* CLOCK_MONOTONIC */
    uint32_t count;
    uint8_t family[SEG_LOOKUP_ADDRESSES];
    uint8_t addr[SEG_LOOKUP_ADDRESSES][16];
};

/* lookups_put(segment, name, answer): name in lower case, without its last dot; one that is too long is not kept, nor
 * is an answer that is older than what is there. */
void lookups_put(const struct segment *segment, const char *name, const struct lookup_answer *answer);

/* lookups_get(segment, name, answer): false when there is none. */
bool lookups_get(const struct segment *segment, const char *name, struct lookup_answer *answer);

#endif
