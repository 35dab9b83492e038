/* SPDX-License-Identifier: MIT
 * resctl(1). */
#include <stdio.h>

#include "mdoc.h"
#include "pages.h"
#include "../options.h"

static void write_options(const struct options *options)
{
    char tag[128];
    if (!options->rows->name)
        return;
    mdoc_list();
    for (const struct option_row *row = options->rows; row->name; row++) {
        char letter[] = {'-', row->letter, ',', ' ', '\0'};
        snprintf(tag, sizeof tag, "%s--%s%s%s", row->letter ? letter : "", row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        mdoc_row(tag, row->help);
    }
    mdoc_list_end();
}

static void write_commands(void)
{
    char line[512];
    mdoc_section("COMMANDS");
    mdoc_text("Every command has --help.");
    mdoc_list();
    options_wanted = write_options;
    for (size_t i = 0; i < commands_count; i++) {
        char name[] = "", *arguments[] = {name, NULL};
        mdoc_item(commands[i].name);
        mdoc_text(commands[i].help);
        snprintf(line, sizeof line, "resctl %s %s", commands[i].name, commands[i].synopsis);
        mdoc_literal(line);
        commands[i].function(&commands[i], 1, arguments);
    }
    options_wanted = NULL;
    mdoc_list_end();
}

static void write_tables(void)
{
    mdoc_section("KEYS OF TOP");
    mdoc_list();
#define TOPKEY(id, typed, key, text) mdoc_row(key, text);
#include "../top_keys.tbl.h"
    mdoc_list_end();
    mdoc_section("HINTS OF CHECK");
    mdoc_list();
#define HINT(id, text) mdoc_row(#id, text);
#include "../hints.tbl.h"
    mdoc_list_end();
    mdoc_section("FINDINGS OF AUDIT");
    mdoc_list();
#define GAP(id, text) mdoc_row(#id, text);
#include "../gaps.tbl.h"
    mdoc_list_end();
    mdoc_section("NOTES OF DOCTOR");
    mdoc_list();
#define NOTE(id, word, text) mdoc_row(word, text);
#include "../notes.tbl.h"
    mdoc_list_end();
}

void page_resctl(void)
{
    mdoc_begin("resctl", 1, "read and steer the policies that libresil applies to programs");
    mdoc_section("SYNOPSIS");
    puts(".Nm\n.Ar command\n.Op Ar option ...\n.Op Ar operand ...");
    mdoc_section("DESCRIPTION");
    puts(".Nm");
    mdoc_text(
        "starts programs under libresil, and reads and steers the segment of shared memory by which all processes "
        "of a user share one circuit breaker and one bulkhead for each destination. Reading never changes state.");
    mdoc_paragraph(
        "SEGMENT, where a command takes it, is one of --segment PATH, --pid PID, --uid UID, -c FILE (the "
        "configuration that the programs were started with). Without it the "
        "segment is that of RESIL_SEGMENT, else the user's own of RESIL_CONFIG and RESIL_RULES, as the programs "
        "have them. DEST is the name of a destination, ENDPOINT that of one of its rows.");
    write_commands();
    write_tables();
    page_environment();
    page_files();
    mdoc_section("EXIT STATUS");
    mdoc_list();
    mdoc_row("0", "It is done.");
    mdoc_row("1", "The answer is no: unhealthy, an unknown destination, refused, an unreachable program.");
    mdoc_row("2", "Usage, an unknown key, or a bad value.");
    mdoc_row("3", "There is no such segment, or one of another version.");
    mdoc_row("4", "A system call failed.");
    mdoc_list_end();
    mdoc_section("EXAMPLES");
    mdoc_example(
        "resctl run -c resil.conf -- ./service\nresctl status\nresctl top\nresctl explain db.example.com:5432\n"
        "resctl reset payments");
    mdoc_section("SEE ALSO");
    puts(".Xr resil.conf 5 ,\n.Xr libresil 7");
}
