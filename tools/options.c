/* SPDX-License-Identifier: MIT
 * The option parser: "--name value", "--name=value", "-l value", "-lvalue", "--" ends the options; operands may stand
 * between options. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/report.h"
#include "print.h"

/* Where the parser stands. */
struct scan {
    const struct options *options;
    int argc, at;
    char **argv;
};

static void print_help(const struct options *options)
{
    const struct command *command = options->command;
    char left[64];
    printf("usage: resctl %s%s%s\n\n%s\n\n", command->name, *command->synopsis ? " " : "", command->synopsis,
           command->help);
    for (const struct option_row *row = options->rows; row->name; row++) {
        char letter[] = {'-', row->letter, ',', ' ', '\0'};
        snprintf(left, sizeof left, "%s--%s %s", row->letter ? letter : "    ", row->name,
                 row->argument ? row->argument : "");
        printf("  %-24s %s\n", left, row->help);
    }
    printf("  %-24s %s\n", "-h, --help", "print this");
}

static const struct option_row *find_name(const struct options *options, const char *name, size_t length)
{
    for (const struct option_row *row = options->rows; row->name; row++)
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return row;
    return NULL;
}

static const struct option_row *find_letter(const struct options *options, char letter)
{
    for (const struct option_row *row = options->rows; row->name; row++)
        if (row->letter && row->letter == letter)
            return row;
    return NULL;
}

static bool unknown(const struct options *options, const char *given, size_t length)
{
    struct nearest nearest = {.got = {.text = given, .length = length}};
    for (const struct option_row *row = options->rows; row->name; row++)
        nearest_offer(&nearest, row->name);
    nearest_offer(&nearest, "help");
    complain("%s: unknown option `%s%.*s'%s%s; see `resctl %s --help'", options->command->name, length > 1 ? "--" : "-",
             (int)length, given, nearest.name ? ", the nearest is --" : "", nearest.name ? nearest.name : "",
             options->command->name);
    return false;
}

static bool store(const struct options *options, const struct option_row *row, const char *text)
{
    const char *name = options->command->name;
    if (row->kind == OPTION_FLAG) {
        if (text)
            complain("%s: option --%s takes no value", name, row->name);
        else
            *(bool *)row->value = true;
        return !text;
    }
    if (!text) {
        complain("%s: option --%s needs a value: %s", name, row->name, row->argument);
        return false;
    }
    if (row->kind == OPTION_TEXT) {
        *(const char **)row->value = text;
        return true;
    }
    if (row->kind == OPTION_LIST) {
        struct option_list *list = row->value;
        if (list->count == OPTION_LIST_MAX) {
            complain("%s: option --%s: at most %d of them", name, row->name, OPTION_LIST_MAX);
            return false;
        }
        list->item[list->count++] = text;
        return true;
    }
    if (parse_count(text, strlen(text), row->value))
        return true;
    complain("%s: option --%s: got `%s', want a number", name, row->name, text);
    return false;
}

static const char *next_argument(struct scan *scan)
{
    return scan->at + 1 < scan->argc ? scan->argv[++scan->at] : NULL;
}

static bool read_long(struct scan *scan, const char *text)
{
    size_t length = strcspn(text, "=");
    const struct option_row *row = find_name(scan->options, text, length);
    if (!row)
        return unknown(scan->options, text, length);
    const char *value = text[length] ? text + length + 1 : NULL;
    if (!value && row->kind != OPTION_FLAG)
        value = next_argument(scan);
    return store(scan->options, row, value);
}

/* Several flags may share one dash; the first option with a value takes the rest. */
static bool read_letters(struct scan *scan, const char *text)
{
    for (; *text; text++) {
        const struct option_row *row = find_letter(scan->options, *text);
        if (!row)
            return unknown(scan->options, text, 1);
        if (row->kind != OPTION_FLAG)
            return store(scan->options, row, text[1] ? text + 1 : next_argument(scan));
        store(scan->options, row, NULL);
    }
    return true;
}

static bool wants_help(const struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (options->stop_at_operand && argv[i][0] != '-')
            return false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static bool check_operands(const struct options *options, const struct operands *operands)
{
    const struct command *command = options->command;
    if (operands->count >= options->operands_min &&
        (options->operands_max < 0 || operands->count <= options->operands_max))
        return true;
    if (operands->count < options->operands_min)
        complain("%s: something is missing; usage: resctl %s %s", command->name, command->name, command->synopsis);
    else
        complain("%s: unexpected `%s'; usage: resctl %s %s", command->name, operands->text[options->operands_max],
                 command->name, command->synopsis);
    return false;
}

static bool scan_all(struct scan *scan, struct operands *operands)
{
    bool plain = false;
    for (scan->at = 1; scan->at < scan->argc; scan->at++) {
        char *text = scan->argv[scan->at];
        if (plain || text[0] != '-' || !text[1]) {
            plain = plain || scan->options->stop_at_operand;
            operands->text[operands->count++] = text;
        } else if (strcmp(text, "--") == 0) {
            plain = true;
        } else if (!(text[1] == '-' ? read_long(scan, text + 2) : read_letters(scan, text + 1))) {
            return false;
        }
    }
    operands->text[operands->count] = NULL;
    return true;
}

void (*options_wanted)(const struct options *options);

bool options_read(const struct options *options, int argc, char **argv, struct operands *operands, int *code)
{
    struct scan scan = {.options = options, .argc = argc, .argv = argv};
    /* The operands move down within argv; the place after the last one is at most argv[argc], which is NULL already. */
    *operands = (struct operands){.text = argv + 1};
    if (options_wanted) {
        options_wanted(options);
        *code = RESCTL_OK;
        return false;
    }
    if (wants_help(options, argc, argv)) {
        print_help(options);
        *code = finish_output();
        return false;
    }
    *code = RESCTL_USAGE;
    return scan_all(&scan, operands) && check_operands(options, operands);
}
