/* SPDX-License-Identifier: MIT
 * `resctl check`: every error of a configuration, and hints where it is legal but dubious. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hints.h"
#include "json.h"
#include "options.h"
#include "print.h"
#include "settings.h"

static void visit(void *context, const struct model *model, const struct rules *rules)
{
    hints_gather(context, model, rules);
}

static void print_hints(const struct hints *hints)
{
    char file[ESCAPED(HINT_FILE)], text[ESCAPED(HINT_TEXT)];
    for (size_t i = 0; i < hints->count; i++) {
        const struct hint *hint = &hints->item[i];
        printf("%s:%" PRIu32 ": hint: [destination %s]: %s\n", escape_text(file, sizeof file, hint->file), hint->line,
               hint->destination, escape_text(text, sizeof text, hint->text));
    }
}

static void write_hints(struct json *json, const struct hints *hints)
{
    for (size_t i = 0; i < hints->count; i++) {
        const struct hint *hint = &hints->item[i];
        json_object(json, NULL);
        json_text(json, "id", hint->id);
        json_text(json, "destination", hint->destination);
        json_text(json, "file", hint->file);
        json_number(json, "line", hint->line);
        json_text(json, "hint", hint->text);
        json_close(json);
    }
}

static void write_errors(struct json *json, const char *text)
{
    char line[2048];
    while (*text) {
        size_t length = strcspn(text, "\n");
        json_text(json, NULL, copy_text(line, sizeof line, text, length));
        text += length + (text[length] == '\n');
    }
}

static void print_json(const struct settings *settings, const struct hints *hints)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_text(&json, "path", settings->path[0] ? settings->path : NULL);
    json_bool(&json, "ok", settings->rules != NULL);
    json_number(&json, "destinations", settings->rules ? settings->rules->destinations : 0);
    json_array(&json, "errors");
    write_errors(&json, settings->errors);
    json_close(&json);
    json_array(&json, "hints");
    write_hints(&json, hints);
    json_close(&json);
    json_close(&json);
}

static void print_text(const struct settings *settings, const struct hints *hints)
{
    const char *label = settings->path[0] ? settings->path : "built-in rules";
    settings_print_errors(settings);
    if (!settings->rules)
        return;
    uint32_t count = settings->rules->destinations;
    printf("%s: ok: %" PRIu32 " destination%s\n", label, count, count == 1 ? "" : "s");
    print_hints(hints);
}

int command_check(const struct command *self, int argc, char **argv)
{
    const char *rules = NULL;
    bool as_json = false;
    const struct option_row rows[] = {
        {"rules", 'r', OPTION_TEXT, &rules, "TEXT", "rules on top of the file, as in RESIL_RULES"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "errors and hints as a JSON object"},
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_max = 1};
    struct operands operands;
    struct settings settings;
    struct hints hints = {.item = NULL};
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    settings_visit(operands.text[0], rules, visit, &hints, &settings);
    if (as_json)
        print_json(&settings, &hints);
    else
        print_text(&settings, &hints);
    code = settings.rules ? finish_output() : RESCTL_USAGE;
    if (!settings.rules)
        finish_output();
    hints_release(&hints);
    settings_release(&settings);
    return code;
}
