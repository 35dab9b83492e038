/* SPDX-License-Identifier: MIT
 * resil.conf(5). */
#include <stdbool.h>
#include <stdio.h>

#include "config/builtin.h"
#include "mdoc.h"
#include "pages.h"
#include "tables/enums.h"

enum { LINE = 1024 };

static const char event_words[] = ""
#define EVENT(id, name, ring) name " "
#include "tables/events.tbl.h"
    ;

/* Rows of the key tables: KIND is a word here. */
static void write_key(const char *name, const char *kind, const char *def, const char *low, const char *high,
                      const char *words, const char *help)
{
    char legal[LINE];
    bool listed = kind[0] == 'W' || kind[0] == 'S';
    bool ranged = *low && *high;
    mdoc_item(name);
    mdoc_text(help);
    if (listed && *words)
        snprintf(legal, sizeof legal, "%s: %s.", kind[0] == 'W' ? "One of" : "Any of", words);
    else if (ranged)
        snprintf(legal, sizeof legal, "From %s to %s%s%s.", low, high, *words ? ", or off" : "",
                 kind[0] == 'T' && kind[1] == 'I' ? ", or auto(...)" : "");
    else
        snprintf(legal, sizeof legal, "A text.");
    puts(".br");
    mdoc_text(legal);
    if (*def) {
        snprintf(legal, sizeof legal, "Default: %s.", def);
        mdoc_text(legal);
    }
}

static void write_keys(void)
{
    mdoc_section("KEYS OF A DESTINATION");
    mdoc_text("They may also stand in [defaults] and in a preset.");
    mdoc_list();
    mdoc_row("match",
             "The patterns of the connections that belong to the destination, separated by commas; see MATCHING.");
    mdoc_row("preset", "The names of presets, separated by blanks; of two that set a key the later wins.");
#define KEY(field, name, kind, def, min, max, words, help) write_key(name, #kind, def, min, max, words, help);
#include "tables/keys.tbl.h"
    mdoc_list_end();
    mdoc_section("KEYS OF A CHECK");
    mdoc_list();
#define CHECKKEY(field, name, kind, def, min, max, words, help) write_key(name, #kind, def, min, max, words, help);
#include "tables/check_keys.tbl.h"
    mdoc_list_end();
    mdoc_section("KEYS OF EVENTS");
    mdoc_list();
#define EVENT_WORDS                                             event_words
#define EVENTKEY(field, name, kind, def, min, max, words, help) write_key(name, #kind, def, min, max, words, help);
#include "tables/event_keys.tbl.h"
    mdoc_list_end();
}

static void write_faults(void)
{
    mdoc_section("CHAOS");
    mdoc_text("The value of chaos, of RESIL_CHAOS and of resctl chaos set: faults separated by semicolons, each with "
              "an optional "
              "share in percent and attributes. In RESIL_CHAOS a fault may begin with DEST: and a blank.");
    mdoc_literal("FAULT[=ARG][@connect or @read or @write] [P%] [count=N] [after=N] [for=D] [dir=up or dir=down]");
    mdoc_paragraph("The faults:");
    mdoc_list();
#define FAULT(id, name, argument, calls) mdoc_row(name, "Its argument: " #argument ". It acts at: " calls ".");
#include "tables/faults.tbl.h"
    mdoc_list_end();
    mdoc_paragraph("The letters are C for connect, R for read, W for write, D for a lookup; the first is the default. "
                   "The word deny "
                   "spares a destination.");
}

void page_conf(void)
{
    mdoc_begin("resil.conf", 5, "configuration of libresil");
    mdoc_section("DESCRIPTION");
    mdoc_text(
        "Lines of KEY = VALUE in sections: [defaults], [preset NAME], [destination NAME], [check NAME] and [events]. "
        "Before the first section, include = GLOB reads further files. A # begins a comment; double quotes keep # ; "
        "and "
        "commas. Units are obligatory: us ms s m h, %, KB MB, /s /m /h.");
    mdoc_paragraph(
        "A destination's own keys win over its presets, presets over [defaults], and these over the defaults below. "
        "Every error is reported with its file, line and column; a program under a file with errors passes through "
        "unchanged. Check a file with resctl check, and ask resctl explain which rule wins.");
    mdoc_section("MATCHING");
    mdoc_text(
        "HOST[:PORT], *.example.com:443, ADDR, CIDR[:LO-HI], [2001:db8::/32]:443, *[:PORT], unix:/path*, unix:@NAME, "
        "each with "
        "optional app=GLOB and uid=N. The most specific wins: exact name, literal address or path, wildcard (longest "
        "suffix), path prefix, CIDR (longest prefix), *; with a port before without; app and uid break ties; then the "
        "first "
        "in the file. What no destination matches is counted and never changed.");
    write_keys();
    mdoc_section("PRESETS");
    mdoc_text("Built in; standard holds the defaults of timeouts, breaker and bulkhead.");
    mdoc_example(builtin_presets_text);
    write_faults();
    page_environment();
    page_files();
    mdoc_section("EXAMPLES");
    mdoc_example("[defaults]\npreset = api\n\n[destination payments]\nmatch            = payments.example.com:443\n"
                 "timeout.connect  = 2s\nbreaker.failures = 3\nbulkhead.limit   = 10");
    mdoc_section("SEE ALSO");
    puts(".Xr resctl 1 ,\n.Xr libresil 7");
}
