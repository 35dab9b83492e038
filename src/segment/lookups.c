/* SPDX-License-Identifier: MIT
 * The table of last good answers. */
#include "segment/lookups.h"

#include <string.h>

#include "base/crc32.h"
#include "base/text.h"

enum { WAYS = 4 };

static uint32_t checksum(const struct seg_lookup *entry)
{
    return crc32_update(0, (const uint8_t *)entry + sizeof entry->crc, sizeof *entry - sizeof entry->crc);
}

static uint32_t place_of(const char *name, uint32_t way)
{
    uint32_t hash = crc32_update(0, name, strlen(name));
    return (hash / WAYS * WAYS + way) % SEG_LOOKUPS;
}

/* A whole entry: of this name, or (name NULL) of any. */
static bool read_entry(const struct segment *segment, uint32_t place, const char *name, struct seg_lookup *copy)
{
    memcpy(copy, seg_lookup(segment, place), sizeof *copy);
    return copy->count > 0 && copy->count <= SEG_LOOKUP_ADDRESSES && copy->crc == checksum(copy) &&
           memchr(copy->name, '\0', sizeof copy->name) && (!name || strcmp(copy->name, name) == 0);
}

/* Where the name is, else a free place, else the oldest. */
static uint32_t choose(const struct segment *segment, const char *name, uint64_t *oldest_ns)
{
    struct seg_lookup entry;
    uint32_t chosen = place_of(name, 0);
    *oldest_ns = UINT64_MAX;
    for (uint32_t way = 0; way < WAYS; way++) {
        if (read_entry(segment, place_of(name, way), name, &entry)) {
            *oldest_ns = entry.when_ns;
            return place_of(name, way);
        }
        uint64_t when_ns = read_entry(segment, place_of(name, way), NULL, &entry) ? entry.when_ns : 0;
        if (when_ns < *oldest_ns) {
            *oldest_ns = when_ns;
            chosen = place_of(name, way);
        }
    }
    return chosen;
}

void lookups_put(const struct segment *segment, const char *name, const struct lookup_answer *answer)
{
    struct seg_lookup entry = {.count = answer->count, .when_ns = answer->when_ns};
    uint64_t there_ns;
    if (strlen(name) >= sizeof entry.name || answer->count == 0 || answer->count > SEG_LOOKUP_ADDRESSES)
        return;
    uint32_t place = choose(segment, name, &there_ns);
    if (there_ns >= answer->when_ns)
        return;
    text_copy(entry.name, sizeof entry.name, name);
    memcpy(entry.family, answer->family, sizeof entry.family);
    memcpy(entry.addr, answer->addr, sizeof entry.addr);
    entry.crc = checksum(&entry);
    memcpy(seg_lookup(segment, place), &entry, sizeof entry);
}

bool lookups_get(const struct segment *segment, const char *name, struct lookup_answer *answer)
{
    struct seg_lookup entry;
    for (uint32_t way = 0; way < WAYS; way++) {
        if (!read_entry(segment, place_of(name, way), name, &entry))
            continue;
        *answer = (struct lookup_answer){.when_ns = entry.when_ns, .count = entry.count};
        memcpy(answer->family, entry.family, sizeof answer->family);
        memcpy(answer->addr, entry.addr, sizeof answer->addr);
        return true;
    }
    return false;
}
