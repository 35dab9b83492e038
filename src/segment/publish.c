/* SPDX-License-Identifier: MIT
 * Publication of rules. */
#include "segment/publish.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/live.h"
#include "real/raw.h"
#include "segment/registry.h"

bool publish_begin(const struct segment *segment, uint32_t owner)
{
    _Atomic uint64_t *publisher = &seg_header(segment)->publisher;
    uint64_t holder = atomic_load(publisher);
    if (holder != 0 && registry_alive(segment, (uint32_t)holder))
        return false;
    return atomic_compare_exchange_strong(publisher, &holder, owner);
}

void publish_end(const struct segment *segment, uint32_t owner)
{
    uint64_t holder = owner;
    atomic_compare_exchange_strong(&seg_header(segment)->publisher, &holder, 0);
}

/* For readers that know no live block, which says the same as one with the rules: who dies before this leaves the words
 * of the load before. */
static void describe_source(struct seg_header *header, const struct publication *publication)
{
    text_copy(header->config_path, sizeof header->config_path, publication->config_path);
    header->config_error[0] = '\0';
    header->file_mtime_ns = publication->file_mtime_ns;
    header->file_bytes = publication->file_bytes;
    atomic_store(&header->loaded_pid, (uint32_t)raw_getpid());
    atomic_store(&header->loaded_wall_ns, clock_wall_ns());
}

bool publish_rules(struct segment *segment, const struct publication *publication)
{
    struct seg_header *header = seg_header(segment);
    uint64_t next = atomic_load(&header->generation) + 1;
    if (!segment_protect_rules(segment, true))
        return false;
    atomic_thread_fence(memory_order_release); /* who sees a byte of this sees that the slot's generation is past */
    memcpy(seg_rules_slot(segment, next), publication->block, publication->bytes);
    segment_protect_rules(segment, false);
    atomic_store_explicit(&header->generation, next, memory_order_release);
    if (!publication->keeps_source)
        describe_source(header, publication);
    return true;
}

void publish_error(struct segment *segment, const char *config_path, const char *text)
{
    struct seg_header *header = seg_header(segment);
    if (atomic_load(&header->generation) == 0)
        text_copy(header->config_path, sizeof header->config_path, config_path);
    text_copy(header->config_error, sizeof header->config_error, text);
}

/* A slot may be overwritten while it is looked at: every number is read once, and believed within the slot. */
static size_t slot_bytes(const struct segment *segment, uint64_t generation)
{
    const uint8_t *slot = seg_rules_slot(segment, generation);
    struct rules rules;
    struct live live;
    memcpy(&rules, slot, sizeof rules);
    if (rules.bytes < sizeof rules || rules.bytes > SEG_RULES_BYTES)
        return 0;
    size_t begin = live_at(&rules);
    if (begin + sizeof live > SEG_RULES_BYTES)
        return rules.bytes;
    memcpy(&live, slot + begin, sizeof live);
    bool ours = live.magic == LIVE_MAGIC && live.base_crc == rules.crc && live.bytes <= SEG_RULES_BYTES - begin;
    return ours ? begin + live.bytes : rules.bytes;
}

size_t publish_size(const struct segment *segment)
{
    uint64_t generation = atomic_load_explicit(&seg_header(segment)->generation, memory_order_acquire);
    return generation ? slot_bytes(segment, generation) : 0;
}

size_t publish_copy(const struct segment *segment, void *out, size_t size, uint64_t *generation)
{
    const struct seg_header *header = seg_header(segment);
    enum { ROUNDS = 16 }; /* each is a publication that came in between */
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before = atomic_load_explicit(&header->generation, memory_order_acquire);
        size_t bytes = before ? slot_bytes(segment, before) : 0;
        if (bytes == 0 || bytes > size)
            return 0;
        memcpy(out, seg_rules_slot(segment, before), bytes);
        atomic_thread_fence(memory_order_acquire);
        *generation = before;
        if (atomic_load_explicit(&header->generation, memory_order_relaxed) == before)
            return bytes;
    }
    return 0;
}
