/* SPDX-License-Identifier: MIT
 * Writes the manual pages from the tables: `manual resctl.1'. Run by the Makefile, not installed. */
#include <stdio.h>
#include <string.h>

#include "mdoc.h"
#include "pages.h"

void page_environment(void)
{
    mdoc_section("ENVIRONMENT");
    mdoc_list();
    mdoc_row("RESIL_CONFIG", "The configuration file.");
    mdoc_row("RESIL_RULES", "Rules on top of it; a semicolon ends a line, and without a header they are [defaults].");
    mdoc_row("RESIL_SEGMENT", "The path of the segment, or the word private: memory of this process alone.");
    mdoc_row("RESIL_CHAOS", "Faults to inject into this process.");
    mdoc_row("RESIL_CHAOS_SEED", "A number that makes them repeatable.");
    mdoc_row("RESIL_CHAOS_BEGAN", "When they began, in nanoseconds of CLOCK_MONOTONIC; set by resctl run.");
    mdoc_row("RESIL_PRIORITY", "0 to 255, in place of the key priority.");
    mdoc_row("RESIL_DISABLE", "all, or any of breaker bulkhead timeout chaos retry rate exec.");
    mdoc_row("RESIL_LOG", "stderr, or a file: what the library refuses, and settings that it cannot use.");
    mdoc_list_end();
}

void page_files(void)
{
    mdoc_section("FILES");
    mdoc_list();
    mdoc_row("$XDG_CONFIG_HOME/resil/resil.conf, ~/.config/resil/resil.conf, /etc/resil/resil.conf",
             "The configuration, unless RESIL_CONFIG names one: the first that exists.");
    mdoc_row("/dev/shm/resil-MAJOR-UID, /dev/shm/resil-MAJOR-UID-HASH",
             "The segment; with a hash where RESIL_CONFIG or RESIL_RULES is set.");
    mdoc_list_end();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } pages[] = {{"resctl.1", page_resctl}, {"resil.conf.5", page_conf}, {"libresil.7", page_library}};
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].write();
            return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
        }
    fprintf(stderr, "usage: manual resctl.1 or resil.conf.5 or libresil.7\n");
    return 2;
}
