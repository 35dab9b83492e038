/* SPDX-License-Identifier: MIT
 * Values over rules: which of them stand until when, the model of each such time, the bytes. */
#include "config/overlay.h"

#include <string.h>

#include "base/crc32.h"
#include "base/text.h"
#include "config/emit.h"
#include "config/keys.h"
#include "config/model.h"

static const char place_name[] = "set";

/* The block while it is written; `used` goes on counting when it is full. */
struct out {
    uint8_t *bytes; /* of the live block */
    size_t size, used;
};

struct variant {
    uint32_t destination;
    uint64_t until_ns, chaos_wall_ns;
};

struct writing {
    const struct rules *rules;
    const struct overlay *overlay;
    uint64_t now_ns;
    struct config_errors *errors;
    struct model model;
    int *destination; /* of each value, as an index */
    struct variant *variant;
    uint32_t variants;
};

int overlay_find(const struct rules *rules, const char *name)
{
    for (uint32_t i = 0; i < rules->destinations; i++)
        if (strcmp(rules_text(rules, rules_destination(rules, i)->name), name) == 0)
            return (int)i;
    return -1;
}

/* ---- times ---------------------------------------------------------------------------------------- */

static bool stands(const struct writing *writing, uint32_t index, uint32_t destination, uint64_t at_ns)
{
    return writing->destination[index] == (int)destination && writing->overlay->value[index].until_ns > at_ns;
}

/* The next end of any value of the destination behind at_ns; 0: no value stands any more. */
static uint64_t next_end(const struct writing *writing, uint32_t destination, uint64_t at_ns)
{
    uint64_t end_ns = 0;
    for (uint32_t i = 0; i < writing->overlay->values; i++) {
        uint64_t until_ns = writing->overlay->value[i].until_ns;
        if (stands(writing, i, destination, at_ns) && (end_ns == 0 || until_ns < end_ns))
            end_ns = until_ns;
    }
    return end_ns;
}

/* The value of a key that wins while those stand that end behind at_ns: of the last person, else what was found last.
 */
static const struct overlay_value *winner(const struct writing *writing, uint32_t destination, int key, uint64_t at_ns)
{
    const struct overlay_value *best = NULL;
    for (uint32_t i = 0; i < writing->overlay->values; i++) {
        const struct overlay_value *value = &writing->overlay->value[i];
        if (value->key == key && stands(writing, i, destination, at_ns) && (!best || value->source >= best->source))
            best = value;
    }
    return best;
}

/* ---- the model of a variant ----------------------------------------------------------------------- */

/* count of its places, from the one at index `first` on. */
static void take_places(struct writing *writing, struct setting *setting, const struct rule_destination *row,
                        uint32_t first, uint32_t count)
{
    const struct endpoint **next = &setting->endpoints;
    for (uint32_t i = first; i < first + count; i++) {
        const struct rule_endpoint *rule = rules_endpoint(writing->rules, row, i);
        struct endpoint *endpoint = arena_alloc(&writing->model.arena, sizeof *endpoint);
        if (!endpoint)
            return;
        *endpoint = (struct endpoint){.rule = *rule, .text = rules_text(writing->rules, rule->text)};
        *next = endpoint;
        next = (const struct endpoint **)&endpoint->next;
    }
}

/* A destination as it was compiled. A key that stood at "the value of that key" is taken to follow it still: which of
 * the two was meant cannot be seen any more, and the default is to follow. */
static void take_compiled(struct writing *writing, struct section *section, const struct rule_destination *row)
{
    const int64_t *values = (const int64_t *)&row->conf;
    for (int key = 0; key < KEY_COUNT; key++) {
        struct setting *setting = &section->setting[key];
        int other = key_default_of(key);
        *setting = (struct setting){.origin = {LAYER_BUILTIN, {.file = "the loaded rules"}}, .value = values[key]};
        setting->follows = other >= 0 && values[other] == values[key];
        if (key_info[key].kind == KIND_TEXT)
            setting->text = rules_text(writing->rules, values[key]);
    }
    take_places(writing, &section->setting[KEY_endpoints], row, 0, row->endpoints);
    take_places(writing, &section->setting[KEY_fallback], row, row->endpoints, row->fallbacks);
    take_places(writing, &section->setting[KEY_via], row, row->endpoints + row->fallbacks, row->via);
}

static void add_variant(struct writing *writing, uint32_t destination, uint64_t begin_ns, uint64_t until_ns)
{
    const struct rule_destination *row = rules_destination(writing->rules, destination);
    const char *name = rules_text(writing->rules, row->name);
    struct origin origin = {LAYER_INLINE, {.file = place_name}};
    struct section *section = model_add(&writing->model, SECTION_DESTINATION, name, origin);
    if (!section)
        return;
    section->patterns = 1; /* nothing is matched here: the outer rules do that */
    take_compiled(writing, section, row);
    for (int key = 0; key < KEY_COUNT; key++) {
        const struct overlay_value *value = winner(writing, destination, key, begin_ns);
        if (!value)
            continue;
        struct slice text = {.text = value->value, .length = strlen(value->value), .column = 1};
        origin.place.file = name;
        model_set(&writing->model, section, key, text, origin);
    }
    const struct overlay_value *chaos = winner(writing, destination, KEY_chaos, begin_ns);
    writing->variant[writing->variants++] = (struct variant){destination, until_ns, chaos ? chaos->set_wall_ns : 0};
}

/* From end to end: the first variant has all values that stand now, the next one those that outlive the first end. */
static void add_destination(struct writing *writing, uint32_t destination)
{
    uint64_t at_ns = writing->now_ns;
    for (uint64_t end_ns; (end_ns = next_end(writing, destination, at_ns)) != 0; at_ns = end_ns)
        add_variant(writing, destination, at_ns, end_ns);
}

static bool is_unlike_us(const struct rules *rules)
{
    return rules->conf_bytes != sizeof(struct conf);
}

static bool build_model(struct writing *writing)
{
    const struct overlay *overlay = writing->overlay;
    struct place place = {.file = place_name};
    if (overlay->values && is_unlike_us(writing->rules))
        report_error(writing->errors, place, NULL, "the rules were compiled by another version, want the same one");
    writing->variant = arena_alloc(&writing->model.arena, (overlay->values + 1) * sizeof *writing->variant);
    writing->destination = arena_alloc(&writing->model.arena, (overlay->values + 1) * sizeof *writing->destination);
    if (!writing->variant || !writing->destination)
        return false;
    for (uint32_t i = 0; i < overlay->values; i++) {
        const struct overlay_value *value = &overlay->value[i];
        writing->destination[i] = overlay_find(writing->rules, value->destination);
        if (writing->destination[i] < 0)
            report_error(writing->errors, place, value->destination, "no such destination");
    }
    if (writing->errors->count)
        return false;
    for (uint32_t i = 0; i < writing->rules->destinations; i++)
        add_destination(writing, i);
    return writing->errors->count == 0 && !writing->model.arena.exhausted;
}

/* ---- the bytes ------------------------------------------------------------------------------------ */

static uint32_t put(struct out *out, const void *bytes, size_t count)
{
    size_t at = out->used;
    if (count <= out->size && at <= out->size - count)
        memcpy(out->bytes + at, bytes, count);
    out->used += count;
    return (uint32_t)at;
}

static uint32_t pad(struct out *out, size_t alignment)
{
    static const uint8_t zeros[LIVE_ALIGNMENT];
    put(out, zeros, (alignment - out->used % alignment) % alignment);
    return (uint32_t)out->used;
}

/* A text into the pool that begins at pool_at: its offset in there. */
static uint32_t put_text(struct out *out, uint32_t pool_at, const char *text)
{
    return *text ? put(out, text, strlen(text) + 1) - pool_at : 0;
}

static void put_overrides(const struct writing *writing, struct out *out, struct live *live)
{
    const struct overlay *overlay = writing->overlay;
    size_t texts_at = out->used;
    for (uint32_t i = 0; i < overlay->values; i++)
        texts_at += overlay->value[i].until_ns > writing->now_ns ? sizeof(struct live_override) : 0;
    struct out texts = {out->bytes, out->size, texts_at};
    live->overrides_at = (uint32_t)out->used;
    live->texts_at = (uint32_t)texts_at;
    put(&texts, "", 1);
    live->config_path = put_text(&texts, live->texts_at, overlay->origin.config_path);
    live->inline_text = put_text(&texts, live->texts_at, overlay->origin.inline_text);
    for (uint32_t i = 0; i < overlay->values; i++) {
        const struct overlay_value *value = &overlay->value[i];
        if (value->until_ns <= writing->now_ns)
            continue;
        struct live_override row = {.destination = put_text(&texts, live->texts_at, value->destination),
                                    .value = put_text(&texts, live->texts_at, value->value),
                                    .key = (uint32_t)value->key,
                                    .source = value->source,
                                    .until_ns = value->until_ns,
                                    .set_wall_ns = value->set_wall_ns,
                                    .uid = value->uid,
                                    .pid = value->pid};
        text_copy(row.program, sizeof row.program, value->program);
        put(out, &row, sizeof row);
        live->overrides++;
    }
    out->used = texts.used;
    live->texts_bytes = (uint32_t)(out->used - texts_at);
}

static void put_variants(const struct writing *writing, struct out *out, struct live *live)
{
    live->variants = writing->variants;
    live->variants_at = (uint32_t)out->used;
    for (uint32_t i = 0; i < writing->variants; i++) {
        struct live_variant row = {writing->variant[i].destination, i, writing->variant[i].until_ns,
                                   writing->variant[i].chaos_wall_ns};
        put(out, &row, sizeof row);
    }
}

static void fill_origin(const struct overlay_origin *origin, struct live *live)
{
    live->loaded_pid = origin->pid;
    live->loaded_uid = origin->uid;
    live->loaded_wall_ns = origin->loaded_wall_ns;
    live->file_mtime_ns = origin->file_mtime_ns;
    live->file_bytes = origin->file_bytes;
    text_copy(live->loaded_by, sizeof live->loaded_by, origin->program);
}

static void too_large(struct writing *writing, size_t size)
{
    report_error(writing->errors, (struct place){.file = "rules"}, NULL,
                 "too large with what is laid over them, want at most %llu bytes", (unsigned long long)size);
}

/* The bytes of the live block, 0 when they do not fit. */
static size_t write_block(struct writing *writing, struct out *out, size_t size)
{
    struct live live = {.magic = LIVE_MAGIC, .base_crc = writing->rules->crc};
    fill_origin(&writing->overlay->origin, &live);
    out->used = sizeof live;
    put_variants(writing, out, &live);
    put_overrides(writing, out, &live);
    if (writing->variants) {
        live.rules_at = pad(out, LIVE_ALIGNMENT);
        size_t room = out->used < out->size ? out->size - out->used : 0;
        size_t bytes = room ? emit_rules(&writing->model, out->bytes + live.rules_at, room) : 0;
        out->used = bytes ? out->used + bytes : out->size + 1;
    }
    if (writing->errors->count)
        return 0;
    if (out->used > out->size) {
        too_large(writing, size);
        return 0;
    }
    live.bytes = (uint32_t)out->used;
    memcpy(out->bytes, &live, sizeof live);
    struct live *written = (struct live *)(void *)out->bytes;
    written->crc = crc32_update(0, &written->bytes, live.bytes - offsetof(struct live, bytes));
    return live.bytes;
}

size_t overlay_emit(const struct rules *rules, const struct overlay *overlay, uint64_t now_ns, void *block, size_t size,
                    struct config_errors *errors)
{
    struct writing writing = {.rules = rules, .overlay = overlay, .now_ns = now_ns, .errors = errors};
    size_t begin = live_at(rules), written = 0;
    writing.model.errors = errors;
    if (overlay->values > LIVE_OVERRIDES_MAX)
        report_error(errors, (struct place){.file = place_name}, NULL, "too many values at once, want at most %d",
                     LIVE_OVERRIDES_MAX);
    else if (begin + sizeof(struct live) > size)
        too_large(&writing, size);
    else if (build_model(&writing)) {
        struct out out = {(uint8_t *)block + begin, size - begin, 0};
        written = write_block(&writing, &out, size);
    }
    if (writing.model.arena.exhausted && errors->count == 0)
        report_error(errors, (struct place){.file = place_name}, NULL, "needs more memory than there is");
    arena_release(&writing.model.arena);
    return written ? begin + written : 0;
}
