/* SPDX-License-Identifier: MIT
 * Options of a subcommand, from a table of rows: parsing, help and suggestions all read the rows. */
#ifndef RESCTL_OPTIONS_H
#define RESCTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "commands.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

enum { OPTION_LIST_MAX = 128 };

/* An option that may be given again and again. */
struct option_list {
    int count;
    const char *item[OPTION_LIST_MAX];
};

/* One option: --name or -letter. A table ends with a row without a name. */
struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    void *value;          /* FLAG: bool *, TEXT: const char **, NUMBER: int64_t *, LIST: struct option_list * */
    const char *argument; /* as the help shows it; NULL of a FLAG */
    const char *help;
};

struct options {
    const struct command *command;
    const struct option_row *rows;
    int operands_min, operands_max; /* max < 0: any number */
    bool stop_at_operand;           /* what follows the first operand belongs to another program */
};

/* Who wants to know a subcommand's options: options_read() then only gives its table to him, and the subcommand ends.
 * For completion and the manual, which call the subcommand's function for this. NULL otherwise. */
extern void (*options_wanted)(const struct options *options);

struct operands {
    int count;
    char **text; /* in argv, ended by NULL */
};

/* options_read(options, argc, argv, operands, code): stores the values of the options, moves the operands to the front
 * of argv[1..]. False when the subcommand is to end now with *code: after --help, or after a complaint. */
bool options_read(const struct options *options, int argc, char **argv, struct operands *operands, int *code);

#endif
