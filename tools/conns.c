/* SPDX-License-Identifier: MIT
 * `resctl conns`: who is connected where, and who waits. Never writes to the segment. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "choose.h"
#include "connections.h"
#include "json.h"
#include "options.h"
#include "print.h"
#include "status.h"
#include "table.h"

static const char *state_of(const struct connection *one)
{
    return one->queued ? "queued" : "held";
}

static void add_row(struct table *table, const struct connection *one)
{
    char age[DURATION_TEXT], rest[DURATION_TEXT];
    table_cell(table, "%s", one->destination);
    table_cell(table, "%s%s", *one->endpoint ? one->endpoint : "-", one->is_fallback ? " fallback" : "");
    table_cell(table, "%s%s", state_of(one), one->is_exchange || one->in_exchange ? " (exchange)" : "");
    table_cell(table, "%u", one->pid);
    table_cell(table, "%s", one->program);
    table_cell(table, "%u", one->fd);
    table_cell(table, "%s", format_rough(age, one->age_ns / (uint64_t)NS_PER_US));
    if (one->queued) {
        table_cell(table, "%u", one->place);
        table_cell(table, "%s", format_rough(rest, one->rest_ns / (uint64_t)NS_PER_US));
    } else {
        table_cell(table, "-");
        table_cell(table, "-");
    }
}

static void print_table(const struct connections *connections, const char *only)
{
    static const char *const titles[] = {"DESTINATION", "ENDPOINT", "STATE",  ">PID", "PROGRAM",
                                         ">FD",         ">AGE",     ">PLACE", ">REST"};
    struct table table = {.titles = titles, .columns = sizeof titles / sizeof titles[0]};
    for (uint32_t i = 0; i < connections->count; i++)
        if (!only || strcmp(connections->item[i].destination, only) == 0)
            add_row(&table, &connections->item[i]);
    table_print(&table);
}

static void write_one(struct json *json, const struct connection *one)
{
    json_object(json, NULL);
    json_text(json, "destination", one->destination);
    json_text(json, "endpoint", *one->endpoint ? one->endpoint : NULL);
    json_bool(json, "fallback", one->is_fallback);
    json_text(json, "state", state_of(one));
    json_text(json, "unit", one->is_exchange ? "exchange" : "connection");
    json_bool(json, "in_exchange", one->in_exchange);
    json_number(json, "pid", one->pid);
    json_text(json, "program", one->program);
    json_number(json, "fd", one->fd);
    json_number(json, "cookie", one->cookie);
    json_number(json, "age_ms", one->age_ns / (uint64_t)NS_PER_MS);
    json_number(json, "priority", one->priority);
    json_bool(json, "lent", one->lent);
    if (one->queued) {
        json_number(json, "place", one->place);
        json_number(json, "gives_up_in_ms", one->rest_ns / (uint64_t)NS_PER_MS);
    } else {
        json_null(json, "place");
        json_null(json, "gives_up_in_ms");
    }
    json_close(json);
}

static void print_json(const struct connections *connections, const char *only)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_array(&json, "connections");
    for (uint32_t i = 0; i < connections->count; i++)
        if (!only || strcmp(connections->item[i].destination, only) == 0)
            write_one(&json, &connections->item[i]);
    json_close(&json);
    json_close(&json);
}

/* A destination that the rules or the segment know, with or without a connection. */
static int check_name(const struct segment *segment, const char *name)
{
    struct view *view = view_take(segment);
    int code = view_find(view, name) ? RESCTL_OK : status_unknown(view, name);
    view_release(view);
    return code;
}

static int show(const struct segment *segment, const char *only, bool as_json)
{
    struct liveness *liveness = take_memory(1, sizeof *liveness);
    liveness->segment = segment;
    struct connections connections = connections_gather(segment, liveness, clock_now_ns());
    if (as_json)
        print_json(&connections, only);
    else
        print_table(&connections, only);
    connections_release(&connections);
    free(liveness);
    return finish_output();
}

int command_conns(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool as_json = false;
    const struct option_row rows[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object"}, CHOICE_OPTIONS(choice), {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_max = 1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    const char *only = operands.text[0];
    if (only && (code = check_name(&segment, only)) != RESCTL_OK)
        return code;
    return show(&segment, only, as_json);
}
