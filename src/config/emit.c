/* SPDX-License-Identifier: MIT
 * The effective value of each key, and the block of rules. */
#include "config/emit.h"

#include <string.h>

#include "base/crc32.h"
#include "base/units.h"
#include "config/emit_endpoints.h"
#include "config/keys.h"
#include "config/rules.h"
#include "config/sections.h"
#include "config/service.h"
#include "tables/enums.h"

enum { DEGRADED_CODE = 200 };

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
    sections_check(model);
}

/* Who says a key for a section: itself, or one of its presets, the last first; NULL when nobody does. */
static struct section *speaker_of(struct section *section, int key)
{
    if (!section || section->setting[key].origin.layer != LAYER_NONE)
        return section;
    for (const struct preset_use *use = section->presets; use; use = use->earlier)
        if (use->preset && use->preset->setting[key].origin.layer != LAYER_NONE)
            return use->preset;
    return NULL;
}

static struct setting *setting_of(struct section *section, int key)
{
    struct section *speaker = speaker_of(section, key);
    return speaker ? &speaker->setting[key] : NULL;
}

/* What a key is when nobody sets it, looked up once for all destinations. */
struct fallback {
    int key; /* the key whose value it takes, or -1 */
    int64_t value;
};

static struct setting *effective_setting(const struct model *model, struct section *destination, int key)
{
    struct setting *setting = setting_of(destination, key);
    return setting ? setting : setting_of(model->sections[SECTION_DEFAULTS].first, key);
}

static struct endpoint_source endpoint_source(const struct model *model, struct section *destination)
{
    return (struct endpoint_source){
        effective_setting(model, destination, KEY_endpoints), effective_setting(model, destination, KEY_balance),
        effective_setting(model, destination, KEY_fallback), effective_setting(model, destination, KEY_via)};
}

static int64_t effective_value(const struct model *model, struct section *destination, int key,
                               const struct fallback *fallbacks, struct pool *pool)
{
    struct setting *setting = effective_setting(model, destination, key);
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

void emit_origin(const struct model *model, uint32_t destination, int key, struct emit_origin *out)
{
    struct section *section = model->sections[SECTION_DESTINATION].first;
    while (section && section->index != destination)
        section = section->next;
    *out = (struct emit_origin){.key = key};
    for (;;) {
        struct section *speaker = speaker_of(section, out->key);
        if (!speaker)
            speaker = speaker_of(model->sections[SECTION_DEFAULTS].first, out->key);
        struct setting *setting = speaker ? &speaker->setting[out->key] : NULL;
        int other = key_default_of(out->key);
        if (other < 0 || (setting && !setting->follows)) {
            out->section = speaker;
            out->origin = setting ? setting->origin : out->origin;
            return;
        }
        out->key = other;
    }
}

/* The texts of the endpoints that emit_endpoints() wrote. */
static void name_endpoints(const struct model *model, struct section *section, struct rule_endpoint *rows,
                           const struct rule_destination *destination, struct pool *pool)
{
    struct endpoint_source source = endpoint_source(model, section);
    struct rule_endpoint *row = rows + destination->first_endpoint;
    const struct endpoint *lists[ENDPOINT_LISTS];
    emit_endpoint_lists(&source, lists);
    for (int list = 0; list < ENDPOINT_LISTS; list++)
        for (const struct endpoint *at = lists[list]; at; at = at->next, row++)
            row->text = pool_add(pool, at->text);
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

/* A relay leads to one far side: there is nothing to choose among. */
static void check_via(const struct model *model, struct section *section, const struct rule_destination *row)
{
    const struct setting *setting = effective_setting(model, section, KEY_via);
    if (row->via && (row->endpoints || row->conf.discover))
        report_error(model->errors, setting->origin.place, "via",
                     "got via and %s in [destination %s], want one of them: a relay leads to one far side",
                     row->endpoints ? "endpoints" : "discover", section->name);
}

static void check_values(const struct model *model, const struct rule_destination *rows)
{
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next) {
        check_lumping(model, section, &rows[section->index].conf);
        check_via(model, section, &rows[section->index]);
    }
}

/* The row of an earlier pattern of the same name. */
static const struct rule_match *same_name(const struct model *model, const struct rule_match *rows,
                                          const struct pattern *pattern)
{
    for (const struct pattern *at = model->first_pattern; at != pattern; at = at->next, rows++)
        if (rows->kind == MATCH_NAME && strcmp(at->text, pattern->text) == 0)
            return rows;
    return NULL;
}

static void emit_matches(const struct model *model, struct rule_match *rows, struct pool *pool)
{
    const struct rule_match *first = rows;
    for (const struct pattern *pattern = model->first_pattern; pattern; pattern = pattern->next, rows++) {
        *rows = pattern->match;
        if (rows->kind == MATCH_NAME)
            service_number(first, rows, pattern->text, same_name(model, first, pattern));
        rows->destination = pattern->destination->index;
        rows->text = pool_add(pool, pattern->text);
        rows->text_bytes = (uint32_t)strlen(pattern->text);
        rows->app = pool_add(pool, pattern->app);
    }
}

static void emit_checks(const struct model *model, struct rule_check *row, struct pool *pool)
{
    for (const struct section *section = model->sections[SECTION_CHECK].first; section;
         section = section->next, row++) {
        *row = (struct rule_check){.name = pool_add(pool, section->name),
                                   .line = section->origin.place.line,
                                   .type = (uint32_t)sections_value(section, SECTION_CHECK, CHECK_type),
                                   .critical = (uint32_t)sections_value(section, SECTION_CHECK, CHECK_critical),
                                   .interval_ns = sections_value(section, SECTION_CHECK, CHECK_interval_ns),
                                   .timeout_ns = sections_value(section, SECTION_CHECK, CHECK_timeout_ns),
                                   .rise = sections_value(section, SECTION_CHECK, CHECK_rise),
                                   .fall = sections_value(section, SECTION_CHECK, CHECK_fall)};
        while (row->kind < PROBE_KINDS - 1 && !*sections_text(section, (int)row->kind))
            row->kind++;
        row->target = pool_add(pool, sections_text(section, (int)row->kind));
    }
}

static void emit_events(const struct model *model, struct rules *rules, struct pool *pool)
{
    const struct section *section = model->sections[SECTION_EVENTS].first;
    const char *syslog = sections_text(section, EVENTS_syslog);
    rules->degraded_code = model->degraded_code ? model->degraded_code : DEGRADED_CODE;
    rules->event_exec = pool_add(pool, sections_text(section, EVENTS_exec));
    rules->event_log = pool_add(pool, sections_text(section, EVENTS_log));
    rules->event_syslog = pool_add(pool, strcmp(syslog, "off") == 0 ? "" : syslog);
    rules->event_exec_rate = (uint32_t)sections_value(section, SECTION_EVENTS, EVENTS_exec_rate);
    rules->event_kinds = (uint32_t)sections_value(section, SECTION_EVENTS, EVENTS_on) << 1; /* kind 0 is none */
}

static size_t too_large(struct model *model, size_t size)
{
    report_error(model->errors, (struct place){.file = "rules"}, NULL,
                 "too large, want at most %llu bytes when compiled", (unsigned long long)size);
    return 0;
}

/* Where everything stands whose length is known beforehand. */
static struct rules plan(const struct model *model)
{
    size_t endpoints = 0;
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next) {
        struct endpoint_source source = endpoint_source(model, section);
        endpoints += emit_endpoint_count(&source);
    }
    struct rules rules = {.magic = RULES_MAGIC,
                          .conf_bytes = sizeof(struct conf),
                          .destinations = model->sections[SECTION_DESTINATION].count,
                          .destinations_at = sizeof rules,
                          .matches = model->patterns,
                          .endpoints = (uint32_t)endpoints,
                          .checks = model->sections[SECTION_CHECK].count};
    rules.matches_at = (uint32_t)(rules.destinations_at + rules.destinations * sizeof(struct rule_destination));
    rules.endpoints_at = (uint32_t)(rules.matches_at + rules.matches * sizeof(struct rule_match));
    rules.checks_at = (uint32_t)(rules.endpoints_at + rules.endpoints * sizeof(struct rule_endpoint));
    rules.cycles_at = (uint32_t)(rules.checks_at + rules.checks * sizeof(struct rule_check));
    return rules;
}

static void *at(void *out, uint32_t offset)
{
    return (char *)out + offset;
}

/* The endpoints and the sequences: then it is known where the strings begin. */
static void emit_lists(const struct model *model, void *out, size_t size, struct rules *rules)
{
    struct rule_destination *rows = at(out, rules->destinations_at);
    struct endpoint_sink sink = {.row = at(out, rules->endpoints_at),
                                 .rows_max = rules->endpoints,
                                 .cycles = at(out, rules->cycles_at),
                                 .cycles_max = size - rules->cycles_at};
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next) {
        struct endpoint_source source = endpoint_source(model, section);
        emit_endpoints(&source, &sink, &rows[section->index]);
    }
    rules->cycles_bytes = (uint32_t)sink.cycles_used;
    rules->strings_at = (uint32_t)(rules->cycles_at + sink.cycles_used);
}

size_t emit_rules(struct model *model, void *out, size_t size)
{
    check(model);
    if (model->errors->count)
        return 0;
    struct rules rules = plan(model);
    if (rules.cycles_at >= size)
        return too_large(model, size);
    memset(out, 0, rules.cycles_at);
    emit_lists(model, out, size, &rules);
    if (rules.strings_at >= size)
        return too_large(model, size);
    struct pool pool = {at(out, rules.strings_at), size - rules.strings_at, 1};
    struct rule_destination *rows = at(out, rules.destinations_at);
    pool.text[0] = '\0';
    emit_destinations(model, rows, &pool);
    for (struct section *section = model->sections[SECTION_DESTINATION].first; section; section = section->next)
        name_endpoints(model, section, at(out, rules.endpoints_at), &rows[section->index], &pool);
    check_values(model, rows);
    emit_matches(model, at(out, rules.matches_at), &pool);
    emit_checks(model, at(out, rules.checks_at), &pool);
    emit_events(model, &rules, &pool);
    if (model->errors->count)
        return 0;
    if (pool.used > pool.size)
        return too_large(model, size);
    rules.strings_bytes = (uint32_t)pool.used;
    rules.bytes = (uint32_t)(rules.strings_at + pool.used);
    memcpy(out, &rules, sizeof rules);
    struct rules *written = out;
    written->crc = crc32_update(0, &written->bytes, written->bytes - offsetof(struct rules, bytes));
    return written->bytes;
}
