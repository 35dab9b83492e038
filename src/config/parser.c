/* SPDX-License-Identifier: MIT
 * The parser: one line at a time, each on its own, so that an error in one hides none in another. */
#include "config/parser.h"

#include <string.h>

#include "config/include.h"
#include "config/sections.h"

static const char *const kind_names[SECTION_KINDS] = {"defaults", "preset", "destination", "check", "events"};

/* The keys that are no rows of the key table, because they have no value of their own. */
static const struct {
    const char *name;
    unsigned sections; /* bits of enum section_kind: where it may stand */
    void (*apply)(struct model *model, struct section *section, struct slice value, struct origin origin);
    const char *want; /* where it may stand, in words */
} directives[] = {
    {"match", 1u << SECTION_DESTINATION, model_match, "match in a [destination]"},
    {"preset", 1u << SECTION_DEFAULTS | 1u << SECTION_DESTINATION, model_use_presets,
     "preset in [defaults] or a [destination]"},
    {"health.degraded_code", 1u << SECTION_DEFAULTS, sections_degraded_code, "health.degraded_code in [defaults]"},
};
enum { DIRECTIVES = sizeof directives / sizeof directives[0] };

static struct place place_at(const struct parser *parser, uint32_t column)
{
    return (struct place){parser->file, parser->reader.line, column};
}

static void report_unknown(const struct parser *parser, struct slice name)
{
    struct nearest nearest = {.got = name};
    for (int key = 0; key < KEY_COUNT; key++)
        nearest_offer(&nearest, key_info[key].name);
    for (int row = 0; row < DIRECTIVES; row++)
        nearest_offer(&nearest, directives[row].name);
    nearest_offer(&nearest, "include");
    report_got(parser->model->errors, place_at(parser, name.column), "key", name, "a known key%s%s",
               nearest.name ? "; the nearest is " : "", nearest.name ? nearest.name : "");
}

static bool apply_directive(struct parser *parser, struct slice name, struct slice value, struct origin origin)
{
    for (int row = 0; row < DIRECTIVES; row++) {
        if (!slice_is(name, directives[row].name))
            continue;
        if (directives[row].sections & 1u << parser->section->kind)
            directives[row].apply(parser->model, parser->section, value, origin);
        else
            report_got(parser->model->errors, origin.place, NULL, name, "%s", directives[row].want);
        return true;
    }
    return false;
}

/* KEY = VALUE */
static void parse_setting(struct parser *parser, struct slice body)
{
    struct config_errors *errors = parser->model->errors;
    size_t equals = slice_find(body, "=");
    if (equals == body.length) {
        report_got(errors, place_at(parser, body.column), NULL, body, "[SECTION] or KEY = VALUE");
        return;
    }
    struct slice name = slice_trim(slice_from(body, 0, equals));
    struct slice value = slice_trim(slice_from(body, equals + 1, body.length));
    struct origin origin = {parser->layer, place_at(parser, name.column)};
    if (slice_is(name, "include")) {
        if (parser->headed)
            report_got(errors, origin.place, NULL, name, "include before the first section");
        else
            include_files(parser, value);
        return;
    }
    if (!parser->section) {
        report_got(errors, origin.place, NULL, name, "a section such as [defaults] before it");
        return;
    }
    if (apply_directive(parser, name, value, origin))
        return;
    if (sections_own(parser->section->kind)) {
        sections_set(parser->model, parser->section, name, value, origin);
        return;
    }
    int key = config_key(name.text, name.length);
    if (key < 0)
        report_unknown(parser, name);
    else
        model_set(parser->model, parser->section, key, value, origin);
}

/* The kind that a header names, or SECTION_KINDS after reporting that there is none. */
static enum section_kind parse_kind(const struct parser *parser, struct slice word)
{
    struct nearest nearest = {.got = word};
    for (unsigned kind = 0; kind < SECTION_KINDS; kind++) {
        if (slice_is(word, kind_names[kind]))
            return (enum section_kind)kind;
        nearest_offer(&nearest, kind_names[kind]);
    }
    report_got(parser->model->errors, place_at(parser, word.column), "section", word,
               "[defaults], [preset NAME], [destination NAME], [check NAME] or [events]%s%s",
               nearest.name ? "; the nearest is " : "", nearest.name ? nearest.name : "");
    return SECTION_KINDS;
}

/* "KIND" or "KIND NAME" between the brackets. A section in error still takes its lines, so that they are checked
 * as well; only those of an unknown kind cannot be. */
static void parse_header(struct parser *parser, struct slice body)
{
    struct model *model = parser->model;
    parser->headed = true;
    parser->skipping = true;
    size_t end = body.length - (body.text[body.length - 1] == ']');
    if (end == body.length)
        report_got(model->errors, place_at(parser, body.column), "section", body, "a closing bracket");
    struct slice rest = slice_from(body, 1, end), kind_word, name;
    slice_word(&rest, &kind_word);
    enum section_kind kind = parse_kind(parser, kind_word);
    if (kind == SECTION_KINDS)
        return;
    bool named = kind != SECTION_DEFAULTS && kind != SECTION_EVENTS;
    name = rest.text ? slice_trim(rest) : slice_from(body, end, end);
    if (named ? slice_is_name(name) : name.length == 0) {
        parser->section = model_open(model, kind, name, (struct origin){parser->layer, place_at(parser, body.column)});
    } else {
        report_got(model->errors, place_at(parser, name.column), kind_names[kind], name, "%s",
                   named ? "a name of 1 to 63 letters, digits, _ . and -" : "no name");
        model->scratch = (struct section){.kind = kind, .name = ""};
        parser->section = &model->scratch;
    }
    parser->skipping = false;
}

void parse_lines(struct parser *parser)
{
    struct line line;
    while (reader_next(&parser->reader, &line)) {
        if (line.want)
            report_got(parser->model->errors, place_at(parser, line.bad.column), NULL, line.bad, "%s", line.want);
        else if (line.body.length == 0)
            continue;
        else if (line.body.text[0] == '[')
            parse_header(parser, line.body);
        else if (!parser->skipping)
            parse_setting(parser, line.body);
    }
}

void parse_text(struct model *model, enum layer layer, const char *file, const char *text)
{
    struct parser parser = {.model = model, .layer = layer, .file = file};
    struct slice no_name = {"", 0, 1};
    parser.reader = reader_start(text, strlen(text), layer == LAYER_INLINE);
    if (parser.reader.length > SOURCE_BYTES_MAX) {
        report_error(model->errors, (struct place){.file = file}, NULL, "larger than 1 MiB");
        return;
    }
    if (layer == LAYER_INLINE)
        parser.section = model_open(model, SECTION_DEFAULTS, no_name, (struct origin){layer, {file, 1, 1}});
    parse_lines(&parser);
}
