/* SPDX-License-Identifier: MIT
 * Reading what is laid over the rules. */
#include "config/live.h"

#include <string.h>

#include "base/crc32.h"

enum { CRC_FROM = 8, ROW_ALIGNMENT = 8 };

_Static_assert(offsetof(struct live, bytes) == CRC_FROM, "the crc covers what follows it");

static const uint8_t *at(const struct live *live, uint64_t offset)
{
    return (const uint8_t *)live + offset;
}

size_t live_at(const struct rules *rules)
{
    return ((size_t)rules->bytes + LIVE_ALIGNMENT - 1) / LIVE_ALIGNMENT * LIVE_ALIGNMENT;
}

static bool region_fits(const struct live *live, uint32_t begin, uint64_t bytes, uint32_t alignment)
{
    return begin >= sizeof *live && begin % alignment == 0 && (uint64_t)begin + bytes <= live->bytes;
}

static bool text_valid(const struct live *live, uint32_t offset)
{
    return offset < live->texts_bytes;
}

static bool header_valid(const struct rules *rules, const struct live *live, size_t room)
{
    if (room < sizeof *live || live->magic != LIVE_MAGIC || live->bytes < sizeof *live || live->bytes > room ||
        live->base_crc != rules->crc || live->overrides > LIVE_OVERRIDES_MAX)
        return false;
    if (!region_fits(live, live->variants_at, live->variants * (uint64_t)sizeof(struct live_variant), ROW_ALIGNMENT) ||
        !region_fits(live, live->overrides_at, live->overrides * (uint64_t)sizeof(struct live_override),
                     ROW_ALIGNMENT) ||
        !region_fits(live, live->texts_at, live->texts_bytes, 1) || live->texts_bytes == 0)
        return false;
    const uint8_t *texts = at(live, live->texts_at);
    return texts[0] == 0 && texts[live->texts_bytes - 1] == 0 && text_valid(live, live->config_path) &&
           text_valid(live, live->inline_text) && memchr(live->loaded_by, 0, sizeof live->loaded_by) &&
           live->crc == crc32_update(0, at(live, CRC_FROM), live->bytes - CRC_FROM);
}

static bool variants_valid(const struct rules *rules, const struct live *live)
{
    if (live->variants == 0)
        return live->rules_at == 0;
    if (!region_fits(live, live->rules_at, sizeof(struct rules), LIVE_ALIGNMENT) ||
        !rules_valid(at(live, live->rules_at), live->bytes - live->rules_at))
        return false;
    for (uint32_t i = 0; i < live->variants; i++) {
        const struct live_variant *variant = live_variant(live, i);
        if (variant->destination >= rules->destinations || variant->row >= live_rules(live)->destinations)
            return false;
    }
    return true;
}

static bool overrides_valid(const struct live *live)
{
    for (uint32_t i = 0; i < live->overrides; i++) {
        const struct live_override *one = live_override(live, i);
        if (!text_valid(live, one->destination) || !text_valid(live, one->value) || one->source >= LIVE_SOURCES ||
            !memchr(one->program, 0, sizeof one->program))
            return false;
    }
    return true;
}

const struct live *live_find(const struct rules *rules, size_t bytes)
{
    size_t begin = live_at(rules);
    if (bytes <= begin)
        return NULL;
    const struct live *live = (const struct live *)(const void *)((const uint8_t *)rules + begin);
    return header_valid(rules, live, bytes - begin) && variants_valid(rules, live) && overrides_valid(live) ? live
                                                                                                            : NULL;
}

int live_row(const struct live *live, uint32_t destination, uint64_t now_ns)
{
    uint32_t low = 0, high = live ? live->variants : 0, end = high;
    while (low < high) { /* the first of its variants; where they are not sorted, one of them or none */
        uint32_t middle = low + (high - low) / 2;
        if (live_variant(live, middle)->destination < destination)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < end && live_variant(live, low)->destination == destination; low++)
        if (now_ns < live_variant(live, low)->until_ns)
            return (int)live_variant(live, low)->row;
    return -1;
}

const struct rules *live_rules(const struct live *live)
{
    if (!live || live->rules_at == 0)
        return NULL;
    return (const struct rules *)(const void *)at(live, live->rules_at);
}

const struct live_variant *live_variant(const struct live *live, uint32_t index)
{
    return (const struct live_variant *)(const void *)at(live, live->variants_at) + index;
}

const struct live_override *live_override(const struct live *live, uint32_t index)
{
    return (const struct live_override *)(const void *)at(live, live->overrides_at) + index;
}

const char *live_text(const struct live *live, uint32_t offset)
{
    return offset < live->texts_bytes ? (const char *)at(live, (uint64_t)live->texts_at + offset) : "";
}
