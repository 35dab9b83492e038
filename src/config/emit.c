/* SPDX-License-Identifier: MIT
 * The effective value of each key, and the block of rules. */
#include "config/emit.h"

#include <string.h>

#include "base/crc32.h"
#include "base/units.h"
#include "config/keys.h"
#include "config/rules.h"

/* The string pool, filled from the front; `used` goes on counting when it is full. */
struct pool {
    char *text;
    size_t size;
    size_t used;
};

static uint32_t pool_add(struct pool *pool, const char *text)
{
    size_t bytes = strlen(text) + 1, at = pool->used;
    if (bytes == 1)
        return 0;
    if (bytes <= pool->size && at <= pool->size - bytes)
        memcpy(pool->text + at, text, bytes);
    pool->used += bytes;
    return (uint32_t)at;
}

static void resolve_presets(struct model *model, struct section *section)
{
    for (struct preset_use *use = section->presets; use; use = use->earlier) {
        use->preset = model_section(model, SECTION_PRESET, use->name);
        if (use->preset)
            continue;
        struct nearest nearest = {.got = use->name};
        for (const struct section *preset = model->sections[SECTION_PRESET].first; preset; preset = preset->next)
            nearest_offer(&nearest, preset->name);
        report_got(model->errors, use->place, "preset", use->name, "a preset%s%s",
                   nearest.name ? "; the nearest is " : "", nearest.name ? nearest.name : "");
    }
}

static void check(struct model *model)
{
    for (struct section *section = model->sections[SECTION_DEFAULTS].first; section; section = section->next)
        resolve_presets(model, section);
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next) {
        resolve_presets(model, section);
        if (section->patterns == 0)
            report_error(model->errors, section->origin.place, section->name,
                         "no match line, want match = PATTERN, ...");
    }
}

/* The setting of a section itself, or of its presets, the last first; NULL when there is none. */
static struct setting *setting_of(struct section *section, int key)
{
    if (!section)
        return NULL;
    if (section->setting[key].origin.layer != LAYER_NONE)
        return &section->setting[key];
    for (const struct preset_use *use = section->presets; use; use = use->earlier)
        if (use->preset && use->preset->setting[key].origin.layer != LAYER_NONE)
            return &use->preset->setting[key];
    return NULL;
}

/* What a key is when nobody sets it, looked up once for all destinations. */
struct fallback {
    int key; /* the key whose value it takes, or -1 */
    int64_t value;
};

static int64_t effective_value(const struct model *model, struct section *destination, int key,
                               const struct fallback *fallbacks, struct pool *pool)
{
    struct setting *setting = setting_of(destination, key);
    if (!setting)
        setting = setting_of(model->sections[SECTION_DEFAULTS].first, key);
    if (fallbacks[key].key >= 0 && (!setting || setting->follows))
        return effective_value(model, destination, fallbacks[key].key, fallbacks, pool);
    if (!setting)
        return fallbacks[key].value;
    if (key_info[key].kind != KIND_TEXT)
        return setting->value;
    if (setting->text_at == 0)
        setting->text_at = pool_add(pool, setting->text);
    return (int64_t)setting->text_at;
}

static void emit_destinations(const struct model *model, struct rule_destination *rows, struct pool *pool)
{
    struct fallback fallbacks[KEY_COUNT];
    for (int key = 0; key < KEY_COUNT; key++)
        fallbacks[key] = (struct fallback){key_default_of(key), key_default_value(key)};
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next) {
        struct rule_destination *row = &rows[section->index];
        int64_t *values = (int64_t *)&row->conf;
        row->name = pool_add(pool, section->name);
        row->line = section->origin.place.line;
        for (int key = 0; key < KEY_COUNT; key++)
            values[key] = effective_value(model, section, key, fallbacks, pool);
    }
}

/* breaker.lumping keeps the failures that count so far apart that breaker.errors of them never fit into the window: the
 * breaker would never open for what it was told to open for. */
static void check_lumping(const struct model *model, struct section *section, const struct conf *conf)
{
    char lumping[32], window[32];
    if (conf->breaker_errors <= 0 || conf->breaker_lumping_ns <= 0 || conf->breaker_window_calls > 0 ||
        (conf->breaker_errors - 1) * conf->breaker_lumping_ns <= conf->breaker_window_ns)
        return;
    const struct setting *setting = setting_of(section, KEY_breaker_lumping_ns);
    if (!setting)
        setting = setting_of(model->sections[SECTION_DEFAULTS].first, KEY_breaker_lumping_ns);
    report_error(model->errors, setting ? setting->origin.place : section->origin.place, "breaker.lumping",
                 "got %s, but breaker.errors (%lld) so far apart never fit into breaker.window (%s): the breaker of "
                 "[destination %s] could never open for them",
                 format_duration(conf->breaker_lumping_ns, lumping, sizeof lumping), (long long)conf->breaker_errors,
                 format_duration(conf->breaker_window_ns, window, sizeof window), section->name);
}

static void check_values(const struct model *model, const struct rule_destination *rows)
{
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next)
        check_lumping(model, section, &rows[section->index].conf);
}

static void emit_matches(const struct model *model, struct rule_match *rows, struct pool *pool)
{
    for (const struct pattern *pattern = model->first_pattern; pattern; pattern = pattern->next, rows++) {
        *rows = pattern->match;
        rows->destination = pattern->destination->index;
        rows->text = pool_add(pool, pattern->text);
        rows->text_bytes = (uint32_t)strlen(pattern->text);
        rows->app = pool_add(pool, pattern->app);
    }
}

static size_t too_large(struct model *model, size_t size)
{
    report_error(model->errors, (struct place){.file = "rules"}, NULL,
                 "too large, want at most %llu bytes when compiled", (unsigned long long)size);
    return 0;
}

size_t emit_rules(struct model *model, void *out, size_t size)
{
    check(model);
    if (model->errors->count)
        return 0;
    struct rules *rules = out;
    size_t destinations = model->sections[SECTION_DESTINATION].count, matches = model->patterns;
    size_t matches_at = sizeof *rules + destinations * sizeof(struct rule_destination);
    size_t strings_at = matches_at + matches * sizeof(struct rule_match);
    if (strings_at >= size)
        return too_large(model, size);
    memset(out, 0, strings_at + 1);
    struct pool pool = {(char *)out + strings_at, size - strings_at, 1};
    emit_destinations(model, (struct rule_destination *)(void *)((char *)out + sizeof *rules), &pool);
    check_values(model, (const struct rule_destination *)(const void *)((char *)out + sizeof *rules));
    emit_matches(model, (struct rule_match *)(void *)((char *)out + matches_at), &pool);
    if (model->errors->count)
        return 0;
    if (pool.used > pool.size)
        return too_large(model, size);
    *rules = (struct rules){.magic = RULES_MAGIC,
                            .bytes = (uint32_t)(strings_at + pool.used),
                            .conf_bytes = sizeof(struct conf),
                            .destinations = (uint32_t)destinations,
                            .destinations_at = sizeof *rules,
                            .matches = (uint32_t)matches,
                            .matches_at = (uint32_t)matches_at,
                            .strings_at = (uint32_t)strings_at,
                            .strings_bytes = (uint32_t)pool.used};
    rules->crc = crc32_update(0, &rules->bytes, rules->bytes - offsetof(struct rules, bytes));
    return rules->bytes;
}
