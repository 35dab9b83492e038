/* SPDX-License-Identifier: MIT
 * resctl: reads and steers the segment that libresil shares between processes, and starts programs under it.
 *
 * This file finds the subcommand and nothing else; the list of them is commands.tbl.h. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "config/report.h"
#include "print.h"

static void print_usage(FILE *out)
{
    fprintf(out, "usage: resctl COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < commands_count; i++)
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
    fprintf(out,
            "\nSEGMENT, where a command takes it, is one of --segment PATH, --pid PID, --uid UID, -c FILE; without it\n"
            "$RESIL_SEGMENT, else your own of $RESIL_CONFIG and $RESIL_RULES, as the programs have them.\n"
            "`resctl COMMAND --help' tells more of each command.\n"
            "Exit codes: 0 ok, 1 the answer is no, 2 usage or bad value, 3 no segment or one of another version,\n"
            "4 system error.\n");
}

static int unknown(const char *name)
{
    struct nearest nearest = {.got = {.text = name, .length = strlen(name)}};
    if (name[0] == '-') {
        nearest_offer(&nearest, "--help");
        nearest_offer(&nearest, "--version");
    } else {
        for (size_t i = 0; i < commands_count; i++)
            nearest_offer(&nearest, commands[i].name);
    }
    complain("unknown %s `%s'%s%s; `resctl --help' lists all", name[0] == '-' ? "option" : "command", name,
             nearest.name ? ", the nearest is " : "", nearest.name ? nearest.name : "");
    return RESCTL_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return RESCTL_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return finish_output();
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = command_find(name);
    return command ? command->function(command, argc - 1, argv + 1) : unknown(name);
}
