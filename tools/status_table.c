/* SPDX-License-Identifier: MIT
 * `resctl status` for people: what is unusual comes first, then the rows. */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/lease.h"
#include "agent/probe.h"
#include "base/clock.h"
#include "config/compile.h"
#include "overrides.h"
#include "print.h"
#include "table.h"

static void print_safe(const char *text)
{
    char safe[ESCAPED(1024)];
    fputs(escape_text(safe, sizeof safe, text), stdout);
}

static const char *drift(const struct view *view)
{
    if (!view->file_changed)
        return "";
    return access(view->config_path, F_OK) == 0 ? "; FILE CHANGED SINCE LOAD" : "; FILE IS GONE";
}

/* A file that was written after the segment was made: nothing loads it by itself, and programs that are started anew
 * obey the segment. Said only of the segment that whoever asks would use without a file. */
static void print_unread_file(const struct view *view)
{
    const char *rules = getenv("RESIL_RULES"), *named = getenv("RESIL_SEGMENT"), *config = getenv("RESIL_CONFIG");
    char path[SEGMENT_PATH], found[SEGMENT_PATH];
    if (view->config_path[0] || (config && *config))
        return;
    if (named && *named)
        copy_text(path, sizeof path, named, strlen(named));
    else
        segment_path(path, sizeof path, geteuid(), NULL, rules && *rules ? rules : NULL);
    if (strcmp(path, view->segment->path) != 0 ||
        !config_find_file(NULL, getenv("XDG_CONFIG_HOME"), getenv("HOME"), found, sizeof found))
        return;
    printf("; NOT FROM ");
    print_safe(found);
    printf(": `resctl reload' loads it");
}

static void print_rules(const struct view *view)
{
    char when[TIME_TEXT], age[DURATION_TEXT];
    uint64_t age_ns = view->loaded_wall_ns < view->wall_ns ? view->wall_ns - view->loaded_wall_ns : 0;
    if (!view->rules) {
        printf("rules      none: every call passes through\n");
        return;
    }
    printf("rules      generation %" PRIu64 ", loaded %s (%s ago) by pid %u from ", view->generation,
           format_time(when, view->loaded_wall_ns), format_rough(age, age_ns / (uint64_t)NS_PER_US), view->loaded_pid);
    print_safe(view->config_path[0] ? view->config_path : "the built-in text");
    fputs(drift(view), stdout);
    print_unread_file(view);
    putchar('\n');
}

static void print_error(const struct view *view)
{
    char line[sizeof view->config_error];
    const char *text = view->config_error;
    while (*text) {
        size_t length = strcspn(text, "\n");
        printf("%-10s ", text == view->config_error ? "ERROR" : "");
        print_safe(copy_text(line, sizeof line, text, length));
        putchar('\n');
        text += length + (text[length] == '\n');
    }
}

static void print_switch(const struct view *view)
{
    char rest[DURATION_TEXT];
    if (!view->off)
        return;
    printf("OFF        the kill switch is set: every call passes through");
    if (view->off_for_ns)
        printf(", for another %s", format_rough(rest, view->off_for_ns / (uint64_t)NS_PER_US));
    putchar('\n');
}

static void print_agent(const struct view *view)
{
    char age[DURATION_TEXT];
    struct agent_lease lease = agent_lease_read(view->segment, view->now_ns);
    if (lease.pid != 0)
        printf("agent      pid %u, last seen %s ago%s\n", lease.pid,
               format_rough(age, lease.age_ns / (uint64_t)NS_PER_US), lease.active ? "" : ": IT HANGS");
}

static void print_force(const struct view *view, const struct view_destination *destination, const struct view_row *row)
{
    char rest[DURATION_TEXT], when[TIME_TEXT];
    const struct view_force *force = &row->force;
    printf("forced     ");
    print_safe(destination->name);
    putchar('/');
    print_safe(row->endpoint);
    printf(" %s, ", state_names[force->state]);
    if (force->end_ns > view->now_ns)
        printf("for another %s", format_rough(rest, (force->end_ns - view->now_ns) / (uint64_t)NS_PER_US));
    else
        printf("until it is reset");
    printf(", by uid %u pid %u at %s\n", force->author.uid, force->author.pid,
           format_time(when, force->author.wall_ns));
}

static void print_forces(const struct view *view)
{
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        for (uint32_t r = 0; r < destination->rows; r++)
            if (destination->row[r].force.state && !destination->row[r].force.inherited)
                print_force(view, destination, &destination->row[r]);
    }
}

static void print_values(const struct view *view)
{
    uint32_t index = 0;
    for (const struct live_override *row; (row = overrides_next(view, -1, &index));) {
        if (row->source == LIVE_FOUND)
            continue; /* told by status_discovery_print() */
        printf("set        ");
        overrides_print(view, row);
        putchar('\n');
    }
}

/* Faults that programs brought themselves (RESIL_CHAOS) show in what they did alone. */
static void print_injected(const struct view *view, const struct view_destination *destination)
{
    uint64_t count = destination->rows ? view_counter(view, &destination->row[0], "chaos_injected") : 0;
    if (count == 0)
        return;
    printf("CHAOS      %" PRIu64 " faults were injected into ", count);
    print_safe(destination->name);
    puts(" by RESIL_CHAOS, or by what is over");
}

static void print_chaos(const struct view *view)
{
    for (uint32_t i = 0; i < view->destinations; i++) {
        if (!view->destination[i].chaos[0]) {
            print_injected(view, &view->destination[i]);
            continue;
        }
        printf("CHAOS      faults are injected into ");
        print_safe(view->destination[i].name);
        printf(": ");
        print_safe(view->destination[i].chaos);
        putchar('\n');
    }
}

static void print_header(const struct view *view)
{
    printf("segment    ");
    print_safe(view->segment->path);
    printf(", version %u.%u, %u process%s\n", view->major, view->minor, view->processes,
           view->processes == 1 ? "" : "es");
    print_rules(view);
    print_error(view);
    print_agent(view);
    status_discovery_print(view);
    print_switch(view);
    print_forces(view);
    print_values(view);
    print_chaos(view);
    if (view->dropped || view->doubts)
        printf("DOUBTS     passed through: %" PRIu64 " for want of a place, %" PRIu64 " for an internal doubt\n",
               view->dropped, view->doubts);
    if (view->rings || view->rings_denied)
        printf("io_uring   %" PRIu64 " allowed, whose traffic is not seen; %" PRIu64 " denied\n", view->rings,
               view->rings_denied);
    if (view->foreign)
        printf("unmatched  %" PRIu64 " connect%s that no destination matched\n", view->foreign,
               view->foreign == 1 ? "" : "s");
    putchar('\n');
}

static void add_latency(struct table *table, const struct view_row *row)
{
    char p50[DURATION_TEXT], p99[DURATION_TEXT];
    const struct view_latency *latency = row->response.samples ? &row->response : &row->connect;
    bool known = latency->samples != 0;
    table_cell(table, "%s", known ? format_rough(p50, latency->p50_us) : "-");
    table_cell(table, "%s", known ? format_rough(p99, latency->p99_us) : "-");
}

static void add_health(struct table *table, const struct view_health *health)
{
    char why[PROBE_TEXT];
    probe_describe(health->is.finding, health->is.detail, why, sizeof why);
    if (health->is.state == HEALTH_UNKNOWN)
        table_cell(table, "-");
    else if (health->is.finding == FINDING_OK)
        table_cell(table, "%s", health_names[health->is.state]);
    else
        table_cell(table, "%s: %s", health_names[health->is.state], why);
}

static bool any_health(const struct view *view)
{
    for (uint32_t i = 0; i < view->destinations; i++)
        for (uint32_t r = 0; r < view->destination[i].rows; r++)
            if (view->destination[i].row[r].health.is.state != HEALTH_UNKNOWN)
                return true;
    return false;
}

/* "half_open, 1 probe", "8/10 +3 queued": what waits is shown while there is some. */
static void add_state(struct table *table, const struct view_row *row)
{
    if (row->probes)
        table_cell(table, "%s, %u probe%s", state_names[row->state], row->probes, row->probes == 1 ? "" : "s");
    else
        table_cell(table, "%s", state_names[row->state]);
}

static void add_use(struct table *table, const struct view_row *row, int64_t limit)
{
    char queued[32] = "";
    if (row->queued)
        snprintf(queued, sizeof queued, " +%u queued", row->queued);
    if (limit > 0)
        table_cell(table, "%u/%" PRId64 "%s", row->in_flight, limit, queued);
    else
        table_cell(table, "%u/-%s", row->connections, queued);
}

static void add_row(struct table *table, const struct view *view, const struct view_destination *destination,
                    const struct view_row *row)
{
    char mode[VIEW_MODE], next[DURATION_TEXT];
    int64_t limit = view_limit(view, destination);
    const char *reason = reason_names[row->reason];
    table_cell(table, "%s", destination->name);
    table_cell(table, row->is_fallback ? "%s fallback" : "%s", row->endpoint);
    add_state(table, row);
    table_cell(table, "%s", *reason ? reason : "-");
    table_cell(table, "%s", row->is_retired ? "retired" : view_mode(destination, mode));
    add_use(table, row, limit);
    table_cell(table, "%" PRIu64, view_ok(view, destination, row));
    table_cell(table, "%" PRIu64, view_failed(view, row));
    table_cell(table, "%" PRIu64, view_rejected(view, row));
    add_latency(table, row);
    table_cell(table, "%s",
               !row->is_open               ? "-"
               : row->next_attempt_ms == 0 ? "now"
                                           : format_rough(next, row->next_attempt_ms * 1000));
}

/* The rows of a view; user NULL: without the columns that tell whose it is. */
static void add_rows(struct table *table, const struct view *view, const struct view_destination *only, bool checked,
                     const char *user)
{
    const char *slash = strrchr(view->segment->path, '/');
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        for (uint32_t r = 0; (!only || only == destination) && r < destination->rows; r++) {
            const struct view_row *row = &destination->row[r];
            if (row->is_retired && row->connections == 0 && !only)
                continue; /* of interest to those who ask for this destination */
            if (user)
                table_cell(table, "%s", user);
            if (user)
                table_cell(table, "%s", slash ? slash + 1 : view->segment->path);
            add_row(table, view, destination, row);
            if (checked)
                add_health(table, &row->health);
        }
    }
}

#define TITLES                                                                                                         \
    "DESTINATION", "ENDPOINT", "STATE", "REASON", "MODE", ">CONN/LIMIT", ">OK", ">FAILED", ">REJECTED", ">P50",        \
        ">P99", ">NEXT", "HEALTH"

void status_tables(struct view *const *views, const char *const *users, size_t count, const char *name)
{
    static const char *const titles[] = {"USER", "SEGMENT", TITLES};
    struct table table = {.titles = titles, .columns = sizeof titles / sizeof titles[0]};
    for (size_t i = 0; i < count; i++)
        print_header(views[i]);
    for (size_t i = 0; i < count; i++)
        add_rows(&table, views[i], name ? view_find(views[i], name) : NULL, true, users[i]);
    table_print(&table);
}

static void print_unmatched(const struct view *view)
{
    static const char *const titles[] = {"UNMATCHED ADDRESS", ">CONNECTS"};
    struct table table = {.titles = titles, .columns = 2};
    for (uint32_t i = 0; i < view->unmatched_count; i++) {
        table_cell(&table, "%s", view->unmatched[i].address);
        table_cell(&table, "%" PRIu64, view->unmatched[i].count);
    }
    if (table.cells == 0)
        return;
    putchar('\n');
    table_print(&table);
}

void status_table(const struct view *view, const struct view_destination *only)
{
    static const char *const titles[] = {TITLES};
    bool checked = any_health(view); /* whoever checks nothing has no column for it */
    struct table table = {.titles = titles, .columns = sizeof titles / sizeof titles[0] - !checked};
    print_header(view);
    add_rows(&table, view, only, checked, NULL);
    table_print(&table);
    if (!only)
        print_unmatched(view);
}
