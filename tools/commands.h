/* SPDX-License-Identifier: MIT
 * What a subcommand is: a row of commands.tbl.h as a struct, and the exit codes that all of them share. */
#ifndef RESCTL_COMMANDS_H
#define RESCTL_COMMANDS_H

#include <stddef.h>

/* Exit codes are a contract with scripts. */
enum exit_code {
    RESCTL_OK = 0,
    RESCTL_NO = 1,      /* the answer is no: unknown destination, refused, unreachable program */
    RESCTL_USAGE = 2,   /* unknown option or key, bad value */
    RESCTL_SEGMENT = 3, /* no segment, or one that this program cannot read */
    RESCTL_SYSTEM = 4   /* a system call failed */
};

struct command {
    const char *name;
    int (*function)(const struct command *self, int argc, char **argv); /* argv[0] is the subcommand's name */
    const char *synopsis;
    const char *help;
};

/* All of them, in the order of the table. */
extern const struct command commands[];
extern const size_t commands_count;
const struct command *command_find(const char *name); /* or NULL */

#define COMMAND(name, function, synopsis, help) int function(const struct command *self, int argc, char **argv);
#include "commands.tbl.h"

#endif
