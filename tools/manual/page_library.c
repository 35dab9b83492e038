/* SPDX-License-Identifier: MIT
 * libresil(7). */
#include <stdio.h>
#include <string.h>

#include "mdoc.h"
#include "pages.h"

static void write_names(const char *title, const char *const *names, size_t count)
{
    char text[1024];
    size_t used = 0;
    mdoc_section(title);
    for (size_t i = 0; i < count; i++)
        if (*names[i] && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", names[i]);
    mdoc_text(text);
}

static void write_tables(void)
{
    static const char *const states[] = {
#define STATE(id, name) name,
#include "tables/states.tbl.h"
    };
    static const char *const reasons[] = {
#define REASON(id, name) name,
#include "tables/reasons.tbl.h"
    };
    static const char *const verdicts[] = {
#define VERDICT(id, name, counter) name,
#include "tables/verdicts.tbl.h"
    };
    static const char *const symbols[] = {
#define SYMBOL(name, family, twin) #name,
#include "tables/symbols.tbl.h"
    };
    write_names("STATES", states, sizeof states / sizeof states[0]);
    write_names("REASONS OF A CHANGE OF STATE", reasons, sizeof reasons / sizeof reasons[0]);
    write_names("VERDICTS", verdicts, sizeof verdicts / sizeof verdicts[0]);
    mdoc_section("COUNTERS");
    mdoc_list();
#define COUNTER(name, unit, help) mdoc_row(#name, help);
#include "tables/counters.tbl.h"
    mdoc_list_end();
    mdoc_section("SYMBOLS");
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        mdoc_text(symbols[i]);
}

void page_library(void)
{
    mdoc_begin("libresil", 7, "circuit breakers, bulkheads, timeouts, retries and chaos for unmodified programs");
    mdoc_section("SYNOPSIS");
    puts(".Ev LD_PRELOAD Ns = Ns Pa /usr/local/$LIB/libresil.so\n.Ar program");
    mdoc_section("DESCRIPTION");
    mdoc_text(
        "Preloaded into a dynamically linked glibc program, libresil applies the policies of resil.conf to each "
        "outbound "
        "stream connection whose destination has some. The state lives in a segment of shared memory, so that all "
        "processes of a user share one breaker and one bulkhead for each destination. The program is not changed, and "
        "neither is what it sends and receives.");
    mdoc_paragraph("A call goes through these, from the outside in:");
    mdoc_literal("fallback( total( retries( rate( endpoint( breaker( bulkhead( timeout( chaos( connect )))))))))");
    mdoc_paragraph(
        "A refusal by breaker, bulkhead, queue or rate limit is ECONNREFUSED at once (reject.errno). A timeout is "
        "ETIMEDOUT, and the connection is shut down, so that a late answer is never read as the next one. Any internal "
        "doubt lets the call pass; resctl status counts it.");
    mdoc_paragraph(
        "Statically linked and Go programs, other C libraries, setuid programs, system calls made without libc, and "
        "io_uring are not reached: resctl doctor tells.");
    write_tables();
    page_environment();
    page_files();
    mdoc_section("SEE ALSO");
    puts(".Xr resctl 1 ,\n.Xr resil.conf 5");
    mdoc_section("CAVEATS");
    mdoc_text("In /etc/ld.so.preload the library would be loaded into every program of the host, also those that start "
              "it: use "
              "LD_PRELOAD, or resctl run.");
}
