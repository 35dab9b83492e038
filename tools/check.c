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

static void print_hints(const struct rules *rules, const char *label)
{
    char hint[HINT_TEXT];
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        for (size_t h = 0; h < hints_count(); h++)
            if (hint_ask(h, rules, &destination->conf, hint))
                printf("%s: hint: [destination %s]: %s\n", label, rules_text(rules, destination->name), hint);
    }
}

static void write_hints(struct json *json, const struct rules *rules)
{
    char hint[HINT_TEXT];
    for (uint32_t i = 0; rules && i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        for (size_t h = 0; h < hints_count(); h++) {
            if (!hint_ask(h, rules, &destination->conf, hint))
                continue;
            json_object(json, NULL);
            json_text(json, "destination", rules_text(rules, destination->name));
            json_text(json, "hint", hint);
            json_close(json);
        }
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

static void print_json(const struct settings *settings)
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
    write_hints(&json, settings->rules);
    json_close(&json);
    json_close(&json);
}

static void print_text(const struct settings *settings)
{
    const char *label = settings->path[0] ? settings->path : "built-in rules";
    settings_print_errors(settings);
    if (!settings->rules)
        return;
    uint32_t count = settings->rules->destinations;
    printf("%s: ok: %" PRIu32 " destination%s\n", label, count, count == 1 ? "" : "s");
    print_hints(settings->rules, label);
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
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    settings_compile(operands.text[0], rules, &settings);
    if (as_json)
        print_json(&settings);
    else
        print_text(&settings);
    code = settings.rules ? finish_output() : RESCTL_USAGE;
    if (!settings.rules)
        finish_output();
    settings_release(&settings);
    return code;
}
