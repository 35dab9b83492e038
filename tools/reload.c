/* SPDX-License-Identifier: MIT
 * `resctl reload [FILE]`: new rules for programs that run. */
#include <inttypes.h>
#include <stdio.h>

#include "choose.h"
#include "json.h"
#include "print.h"
#include "publisher.h"

static void print_report(const struct publisher_report *report, bool as_json)
{
    char safe[ESCAPED(sizeof report->config_path)];
    if (as_json) {
        struct json json = {.out = stdout};
        json_object(&json, NULL);
        json_number(&json, "generation", report->generation);
        json_text(&json, "config_path", report->config_path[0] ? report->config_path : NULL);
        json_number(&json, "destinations", report->destinations);
        json_number(&json, "added", report->added);
        json_number(&json, "retired", report->retired);
        json_close(&json);
        return;
    }
    printf("generation %" PRIu64 " from %s: %u destination%s, %u new, %u retired\n", report->generation,
           report->config_path[0] ? escape_text(safe, sizeof safe, report->config_path) : "the built-in text",
           report->destinations, report->destinations == 1 ? "" : "s", report->added, report->retired);
}

/* Errors are lines of a file: as `check` prints them, so that an editor finds them. */
static void print_errors(const struct publisher_report *report)
{
    fprintf(stderr, "%s\n", report->errors);
    complain("reload: nothing is changed: generation %" PRIu64 " stays", report->generation);
}

int command_reload(const struct command *self, int argc, char **argv)
{
    static struct publisher_report report;
    struct choice choice = CHOICE_NONE;
    const char *inline_text = NULL;
    bool as_json = false;
    const struct option_row rows[] = {
        {"rules", 0, OPTION_TEXT, &inline_text, "TEXT", "in place of the inline rules (RESIL_RULES) that are loaded"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "what was loaded as a JSON object"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_max = 1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, true, &segment)) != RESCTL_OK)
        return code;
    struct publisher publisher = {.segment = &segment, .program = "resctl"};
    enum publisher_result result = publisher_load(&publisher, operands.text[0], inline_text, &report);
    if (result == PUBLISHER_BAD) {
        print_errors(&report);
        return RESCTL_USAGE;
    }
    if ((code = publisher_exit(result, &report, "reload")) != RESCTL_OK)
        return code;
    print_report(&report, as_json);
    return finish_output();
}
