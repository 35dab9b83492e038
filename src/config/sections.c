/* SPDX-License-Identifier: MIT
 * [check NAME] and [events]. */
#include "config/sections.h"

#include <string.h>

#include "config/keys.h"
#include "config/target.h"
#include "base/units.h"

enum { COMMAND_MAX = 1000, DEGRADED_LOW = 200, DEGRADED_HIGH = 599 };

/* The first one is "none", and no bit: bit i is kind i + 1. */
#define EVENT(id, name, ring) " " name
static const char event_words[] =
#include "tables/events.tbl.h"
    ;
#define EVENT_WORDS (event_words + 1)

/* Every kind but those of the ring of refusals. */
enum { BIT_OF_LIFE = 1, BIT_OF_REFUSAL = 0 };
#define EVENT(id, name, ring) | (int64_t)BIT_OF_##ring << EVENT_##id
static const int64_t usual_events = (0
#include "tables/events.tbl.h"
                                     ) >>
                                    1;

static const struct key_info check_info[CHECK_KEYS] = {
#define CHECKKEY(field, name, kind, def, min, max, words, help) {name, def, min, max, words, help, KIND_##kind},
#include "tables/check_keys.tbl.h"
};

static const struct key_info event_info[EVENT_KEYS] = {
#define EVENTKEY(field, name, kind, def, min, max, words, help) {name, def, min, max, words, help, KIND_##kind},
#include "tables/event_keys.tbl.h"
};

_Static_assert((int)CHECK_tcp == (int)PROBE_TCP && (int)CHECK_memory == (int)PROBE_MEMORY, "probes.tbl.h");
_Static_assert(CHECK_KEYS <= (int)KEY_COUNT && EVENT_KEYS <= (int)KEY_COUNT, "places of a section");

bool sections_own(enum section_kind kind)
{
    return kind == SECTION_CHECK || kind == SECTION_EVENTS;
}

static const struct key_info *info_of(enum section_kind kind, int *count)
{
    *count = kind == SECTION_CHECK ? (int)CHECK_KEYS : (int)EVENT_KEYS;
    return kind == SECTION_CHECK ? check_info : event_info;
}

static struct place place_of(struct origin origin, struct slice slice)
{
    return (struct place){origin.place.file, origin.place.line, slice.column};
}

static void report_unknown(struct model *model, enum section_kind kind, struct slice name, struct origin origin)
{
    int count;
    const struct key_info *info = info_of(kind, &count);
    struct nearest nearest = {.got = name};
    for (int key = 0; key < count; key++)
        nearest_offer(&nearest, info[key].name);
    report_got(model->errors, place_of(origin, name), "key", name, "a key of %s%s%s",
               kind == SECTION_CHECK ? "a [check]" : "[events]", nearest.name ? "; the nearest is " : "",
               nearest.name ? nearest.name : "");
}

static bool is_command(struct slice value)
{
    return value.length > 0 && value.length <= COMMAND_MAX && !memchr(value.text, '\0', value.length);
}

static bool is_socket(struct slice value)
{
    static const char scheme[] = "unix:/";
    return value.length > sizeof scheme - 1 && value.length <= sizeof scheme + 100 &&
           memcmp(value.text, scheme, sizeof scheme - 1) == 0;
}

/* NULL: the text is good. */
static const char *judge_text(enum section_kind kind, int key, struct slice value)
{
    struct target target;
    if (kind == SECTION_CHECK)
        return target_parse((enum probe_kind)key, value.text, value.length, &target)
                   ? NULL
                   : target_looks((enum probe_kind)key);
    if (key == EVENTS_exec)
        return is_command(value) ? NULL : "a command, of at most 1000 bytes";
    if (key == EVENTS_log)
        return slice_is(value, "stderr") || (is_command(value) && value.text[0] == '/') ? NULL
                                                                                        : "stderr, or a path from /";
    return slice_is(value, "on") || slice_is(value, "off") || is_socket(value) ? NULL
                                                                               : "on, off, or unix:/PATH of a socket";
}

void sections_set(struct model *model, struct section *section, struct slice name, struct slice value,
                  struct origin origin)
{
    char want[512];
    int count, key = 0;
    const struct key_info *info = info_of(section->kind, &count);
    while (key < count && !slice_is(name, info[key].name))
        key++;
    if (key == count) {
        report_unknown(model, section->kind, name, origin);
        return;
    }
    struct setting *setting = &section->setting[key];
    if (!model_claim(model, &setting->origin, origin, info[key].name))
        return;
    value = slice_unquote(&model->arena, value);
    if (info[key].kind == KIND_TEXT) {
        const char *wanted = judge_text(section->kind, key, value);
        if (wanted)
            report_got(model->errors, place_of(origin, value), info[key].name, value, "%s", wanted);
        setting->text = arena_copy(&model->arena, value.text, value.length);
    } else if (!key_info_parse(&info[key], value.text, value.length, &setting->value, want, sizeof want)) {
        report_got(model->errors, place_of(origin, value), info[key].name, value, "%s", want);
    }
}

void sections_check(struct model *model)
{
    for (struct section *section = model->sections[SECTION_CHECK].first; section; section = section->next) {
        const struct setting *asked = NULL;
        for (int key = 0; key < PROBE_KINDS; key++) {
            const struct setting *setting = &section->setting[key];
            if (setting->origin.layer == LAYER_NONE)
                continue;
            if (asked)
                report_error(model->errors, setting->origin.place, check_info[key].name,
                             "a check asks one thing; [check %s] has another in line %u", section->name,
                             asked->origin.place.line);
            asked = setting;
        }
        if (!asked)
            report_error(model->errors, section->origin.place, section->name,
                         "nothing is asked, want one of tcp, http, redis, postgres, exec and memory");
    }
}

void sections_degraded_code(struct model *model, struct section *section, struct slice value, struct origin origin)
{
    int64_t code;
    (void)section;
    if (!model_claim(model, &model->degraded_origin, origin, "health.degraded_code"))
        return;
    value = slice_unquote(&model->arena, value);
    if (parse_count(value.text, value.length, &code) && code >= DEGRADED_LOW && code <= DEGRADED_HIGH)
        model->degraded_code = (uint32_t)code;
    else
        report_got(model->errors, place_of(origin, value), "health.degraded_code", value,
                   "an HTTP status from 200 to 599");
}

int64_t sections_value(const struct section *section, enum section_kind kind, int key)
{
    int count;
    const struct key_info *info = info_of(kind, &count);
    if (section && section->setting[key].origin.layer != LAYER_NONE)
        return section->setting[key].value;
    if (kind == SECTION_EVENTS && key == EVENTS_on)
        return usual_events;
    return key_info_default(&info[key]);
}

const char *sections_text(const struct section *section, int key)
{
    return section && section->setting[key].origin.layer != LAYER_NONE ? section->setting[key].text : "";
}
