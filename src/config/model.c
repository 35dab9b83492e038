/* SPDX-License-Identifier: MIT
 * Building the model: each line of text becomes one call here, and is judged here. */
#include "config/model.h"

#include <string.h>

#include "base/text.h"
#include "config/chaos.h"
#include "config/discovery.h"
#include "config/keys.h"
#include "policy/balance.h"

/* The place of a slice of the line that origin is in. */
static struct place place_of(struct origin origin, struct slice slice)
{
    return (struct place){origin.place.file, origin.place.line, slice.column};
}

struct section *model_section(const struct model *model, enum section_kind kind, struct slice name)
{
    struct section *section = model->sections[kind].first;
    while (section && !slice_is(name, section->name))
        section = section->next;
    return section;
}

static struct section *scratch(struct model *model, enum section_kind kind)
{
    model->scratch = (struct section){.kind = kind, .name = ""};
    return &model->scratch;
}

static struct section *add_section(struct model *model, enum section_kind kind, struct slice name, struct origin origin)
{
    struct section_list *list = &model->sections[kind];
    struct section *section = arena_alloc(&model->arena, sizeof *section);
    if (!section)
        return scratch(model, kind);
    section->kind = kind;
    section->name = arena_copy(&model->arena, name.text, name.length);
    section->origin = origin;
    section->index = list->count++;
    if (list->last)
        list->last->next = section;
    else
        list->first = section;
    list->last = section;
    return section;
}

struct section *model_add(struct model *model, enum section_kind kind, const char *name, struct origin origin)
{
    struct section *section = add_section(model, kind, (struct slice){name, strlen(name), 1}, origin);
    return section == &model->scratch ? NULL : section;
}

struct section *model_open(struct model *model, enum section_kind kind, struct slice name, struct origin origin)
{
    static const uint32_t limits[SECTION_KINDS] = {1, PRESETS_MAX, DESTINATIONS_MAX, RULES_CHECKS, 1};
    static const char *const nouns[SECTION_KINDS] = {"defaults", "preset", "destination", "check", "events"};
    struct place place = place_of(origin, name);
    struct section *section = model_section(model, kind, name);
    if (!section && model->sections[kind].count >= limits[kind]) {
        report_error(model->errors, place, nouns[kind], "too many, want at most %u", limits[kind]);
        return scratch(model, kind);
    }
    if (!section)
        return add_section(model, kind, name, origin);
    if (kind == SECTION_DEFAULTS || kind == SECTION_EVENTS)
        return section;
    if (section->origin.layer == LAYER_BUILTIN) {
        report_got(model->errors, place, nouns[kind], name, "a name that is not built in");
        return scratch(model, kind);
    }
    if (section->origin.layer == origin.layer) {
        report_got(model->errors, place, nouns[kind], name, "each name once; it stands in %s:%u already",
                   section->origin.place.file, section->origin.place.line);
        return scratch(model, kind);
    }
    section->origin.layer = origin.layer;
    return section;
}

bool model_claim(struct model *model, struct origin *said, struct origin origin, const char *subject)
{
    if (said->layer == origin.layer) {
        report_error(model->errors, origin.place, subject, "set twice in one section, want it once: first in %s:%u",
                     said->place.file, said->place.line);
        return false;
    }
    *said = origin;
    return true;
}

/* chaos_parse()'s message begins with its own column, "N: ". */
static void report_chaos(struct model *model, struct origin origin, struct slice value, const char *message)
{
    uint32_t column = 0;
    while (*message >= '0' && *message <= '9')
        column = column * 10 + (uint32_t)(*message++ - '0');
    value.column += column - 1;
    report_error(model->errors, place_of(origin, value), key_info[KEY_chaos].name, "%s", message + strlen(": "));
}

/* One more item of a list; false when it is there already. */
static bool add_endpoint(struct model *model, const struct endpoint ***next, const struct setting *setting,
                         const struct endpoint *parsed)
{
    for (const struct endpoint *known = setting->endpoints; known; known = known->next)
        if (endpoint_same(known, parsed))
            return false;
    struct endpoint *endpoint = arena_alloc(&model->arena, sizeof *endpoint);
    if (!endpoint)
        return true;
    *endpoint = *parsed;
    **next = endpoint;
    *next = (const struct endpoint **)&endpoint->next;
    return true;
}

/* Keys whose value is a list of addresses, and how long it may be. 0: not such a key. */
static unsigned addresses_max(int key)
{
    return key == KEY_endpoints ? BALANCE_HOSTS : key == KEY_fallback ? RULES_FALLBACKS : key == KEY_via ? 1 : 0;
}

static void set_addresses(struct model *model, struct setting *setting, int key, struct slice value,
                          struct origin origin)
{
    const char *name = key_info[key].name;
    const struct endpoint **next = &setting->endpoints;
    struct slice piece;
    unsigned count = 0;
    setting->endpoints = NULL;
    setting->text = arena_copy(&model->arena, value.text, value.length);
    if (value.length == 0)
        return;
    while (slice_cut(&value, ",", &piece)) {
        struct endpoint parsed;
        struct endpoint_error error;
        if (!endpoint_parse(&model->arena, piece, &parsed, &error)) {
            report_got(model->errors, place_of(origin, error.got), name, error.got, "%s", error.want);
        } else if (key != KEY_endpoints && (parsed.rule.weight > 1 || parsed.rule.backup)) {
            report_got(model->errors, place_of(origin, piece), name, piece, "an address without weight and backup");
        } else if (count++ == addresses_max(key)) {
            report_error(model->errors, place_of(origin, piece), name, "too many, want at most %u", addresses_max(key));
            return;
        } else if (!add_endpoint(model, &next, setting, &parsed)) {
            report_got(model->errors, place_of(origin, piece), name, piece, "each endpoint once");
        }
    }
}

static void check_chaos(struct model *model, const char *text, struct slice value, struct origin origin)
{
    struct faults faults;
    char message[256];
    if (!slice_is(value, "deny") && !chaos_parse(text, &faults, message, sizeof message))
        report_chaos(model, origin, value, message);
}

static void check_discover(struct model *model, struct slice value, struct origin origin)
{
    struct discovery discovery;
    char want[DISCOVERY_WANT];
    if (value.length > 0 && !discovery_parse(value.text, value.length, &discovery, want))
        report_got(model->errors, place_of(origin, value), key_info[KEY_discover].name, value, "%s", want);
}

/* "off" is as if nothing was said. */
static void check_health(struct model *model, struct setting *setting, struct slice value, struct origin origin)
{
    struct target target;
    if (!health_check_parse(value.text, value.length, &target))
        report_got(model->errors, place_of(origin, value), key_info[KEY_health_check].name, value, "%s",
                   health_check_want);
    else if (target.kind == PROBE_KINDS)
        setting->text = "";
}

static void set_text(struct model *model, struct setting *setting, int key, struct slice value, struct origin origin)
{
    setting->text = arena_copy(&model->arena, value.text, value.length);
    if (key == KEY_chaos)
        check_chaos(model, setting->text, value, origin);
    else if (key == KEY_discover)
        check_discover(model, value, origin);
    else if (key == KEY_health_check)
        check_health(model, setting, value, origin);
}

static void set_value(struct model *model, struct setting *setting, int key, struct slice value, struct origin origin)
{
    char want[256];
    setting->follows = key_default_of(key) >= 0 && slice_is(value, key_info[key].def);
    if (!setting->follows && !config_parse_value(key, value.text, value.length, &setting->value, want, sizeof want))
        report_got(model->errors, place_of(origin, value), key_info[key].name, value, "%s", want);
}

void model_set(struct model *model, struct section *section, int key, struct slice value, struct origin origin)
{
    struct setting *setting = &section->setting[key];
    if (!model_claim(model, &setting->origin, origin, key_info[key].name))
        return;
    setting->text_at = 0;
    if (addresses_max(key) > 0) { /* its quotes keep commas together */
        set_addresses(model, setting, key, value, origin);
        return;
    }
    value = slice_unquote(&model->arena, value);
    if (key_info[key].kind == KIND_TEXT)
        set_text(model, setting, key, value, origin);
    else
        set_value(model, setting, key, value, origin);
}

void model_use_presets(struct model *model, struct section *section, struct slice names, struct origin origin)
{
    struct slice name;
    if (!model_claim(model, &section->presets_origin, origin, "preset"))
        return;
    section->presets = NULL;
    for (unsigned words = 0; slice_word(&names, &name); words++) {
        if (words == PRESET_WORDS_MAX) {
            report_got(model->errors, place_of(origin, name), "preset", name, "at most %d presets", PRESET_WORDS_MAX);
            return;
        }
        struct preset_use *use = arena_alloc(&model->arena, sizeof *use);
        if (!use)
            return;
        name = slice_unquote(&model->arena, name);
        const char *copy = arena_copy(&model->arena, name.text, name.length);
        *use = (struct preset_use){.place = place_of(origin, name), .earlier = section->presets};
        use->name = (struct slice){copy, name.length, name.column};
        section->presets = use;
    }
}

static void add_pattern(struct model *model, struct section *section, const struct pattern *parsed)
{
    struct pattern *pattern = arena_alloc(&model->arena, sizeof *pattern);
    if (!pattern)
        return;
    *pattern = *parsed;
    pattern->destination = section;
    if (model->last_pattern)
        model->last_pattern->next = pattern;
    else
        model->first_pattern = pattern;
    model->last_pattern = pattern;
}

void model_match(struct model *model, struct section *section, struct slice patterns, struct origin origin)
{
    struct slice piece;
    while (slice_cut(&patterns, ",", &piece)) {
        struct pattern pattern;
        struct pattern_error error;
        section->patterns++;
        if (!pattern_parse(&model->arena, piece, &pattern, &error)) {
            report_got(model->errors, place_of(origin, error.got), "match", error.got, "%s", error.want);
            continue;
        }
        if (section == &model->scratch || model->patterns > PATTERNS_MAX)
            continue;
        if (model->patterns++ == PATTERNS_MAX) {
            report_error(model->errors, place_of(origin, piece), "match", "too many patterns, want at most %d",
                         PATTERNS_MAX);
            continue;
        }
        pattern.match.line = origin.place.line;
        pattern.file = origin.place.file;
        add_pattern(model, section, &pattern);
    }
}
