/* SPDX-License-Identifier: MIT
 * The table of subcommands. */
#include <string.h>

#include "commands.h"

const struct command commands[] = {
#define COMMAND(name, function, synopsis, help) {name, function, synopsis, help},
#include "commands.tbl.h"
};
const size_t commands_count = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < commands_count; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}
