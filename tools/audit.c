/* SPDX-License-Identifier: MIT
 * `resctl audit`: where the programs connect to without protection. Never writes to the segment. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "choose.h"
#include "json.h"
#include "print.h"
#include "table.h"
#include "view.h"

enum gap {
#define GAP(id, text) GAP_##id,
#include "gaps.tbl.h"
    GAPS
};

static const struct {
    const char *id, *text;
} gaps[GAPS] = {
#define GAP(id, text) {#id, text},
#include "gaps.tbl.h"
};

struct audit {
    const struct view *view;
    struct table *table; /* either this */
    struct json *json;   /* or that */
    uint32_t count;
};

/* subject: a destination or an address, "" of the segment as a whole. */
static void find(struct audit *audit, enum gap gap, const char *subject, uint64_t connects, uint64_t age_ms)
{
    char age[DURATION_TEXT];
    bool is_address = gap == GAP_unmatched, is_whole = !*subject;
    audit->count++;
    if (!audit->json) {
        table_cell(audit->table, "%s", gaps[gap].id);
        table_cell(audit->table, "%s", is_whole ? "-" : subject);
        table_cell(audit->table, is_whole ? "-" : "%" PRIu64, connects);
        table_cell(audit->table, "%s", is_address ? format_rough(age, age_ms * 1000) : "-");
        table_cell(audit->table, "%s", gaps[gap].text);
        return;
    }
    json_object(audit->json, NULL);
    json_text(audit->json, "finding", gaps[gap].id);
    json_text(audit->json, "destination", is_whole || is_address ? NULL : subject);
    json_text(audit->json, "address", is_address ? subject : NULL);
    if (is_whole)
        json_null(audit->json, "connects");
    else
        json_number(audit->json, "connects", connects);
    if (is_address)
        json_number(audit->json, "last_ms", age_ms);
    else
        json_null(audit->json, "last_ms");
    json_text(audit->json, "text", gaps[gap].text);
    json_close(audit->json);
}

static void audit_segment(struct audit *audit)
{
    const struct view *view = audit->view;
    uint64_t known = 0;
    if (view->off)
        find(audit, GAP_off, "", 0, 0);
    if (!view->rules)
        find(audit, GAP_no_rules, "", 0, 0);
    for (uint32_t i = 0; i < view->unmatched_count; i++) {
        const struct view_unmatched *one = &view->unmatched[i];
        uint64_t age_ns = one->last_ns < view->now_ns ? view->now_ns - one->last_ns : 0;
        find(audit, GAP_unmatched, one->address, one->count, age_ns / (uint64_t)NS_PER_MS);
        known += one->count;
    }
    if (known < view->foreign && view->unmatched_count == SEG_UNMATCHED)
        find(audit, GAP_lost, "", 0, 0);
}

static bool breaker_is_on(const struct conf *conf)
{
    return conf->breaker_failures > 0 || conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0 ||
           conf->breaker_slow_time_ns > 0;
}

static void audit_destination(struct audit *audit, const struct view_destination *destination, bool unused_too)
{
    const struct conf *conf = destination->conf;
    const struct view_row *row = &destination->row[0];
    uint64_t calls = view_counter(audit->view, row, "attempts") + view_rejected(audit->view, row);
    if (!conf || (calls == 0 && !unused_too))
        return;
    if (conf->mode != MODE_ENFORCE || conf->enforce_ppm == 0)
        find(audit, GAP_not_enforced, destination->name, calls, 0);
    if (conf->timeout_connect_ns <= 0 && conf->timeout_total_ns <= 0)
        find(audit, GAP_no_connect_timeout, destination->name, calls, 0);
    if ((conf->timeout_response_ns <= 0 && conf->timeout_idle_ns <= 0 && conf->timeout_exchange_ns <= 0) ||
        conf->first_byte == FIRST_BYTE_NONE)
        find(audit, GAP_no_response_timeout, destination->name, calls, 0);
    if (!breaker_is_on(conf))
        find(audit, GAP_no_breaker, destination->name, calls, 0);
}

static void audit_all(struct audit *audit, bool unused_too)
{
    audit_segment(audit);
    for (uint32_t i = 0; i < audit->view->destinations; i++)
        audit_destination(audit, &audit->view->destination[i], unused_too);
}

static void write_json(struct audit *audit, bool unused_too)
{
    struct json json = {.out = stdout};
    audit->json = &json;
    json_object(&json, NULL);
    json_text(&json, "path", audit->view->segment->path);
    json_number(&json, "generation", audit->view->generation);
    json_array(&json, "findings");
    audit_all(audit, unused_too);
    json_close(&json);
    json_bool(&json, "ok", audit->count == 0);
    json_close(&json);
}

static void print_table(struct audit *audit, bool unused_too)
{
    static const char *const titles[] = {"FINDING", "DESTINATION OR ADDRESS", ">CONNECTS", ">LAST", "MEANING"};
    struct table table = {.titles = titles, .columns = sizeof titles / sizeof titles[0]};
    audit->table = &table;
    audit_all(audit, unused_too);
    if (audit->count)
        table_print(&table);
    else
        printf("ok: every destination that was connected to has a breaker and timeouts that are enforced\n");
}

int command_audit(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool as_json = false, unused_too = false;
    const struct option_row rows[] = {
        {"unused", 'n', OPTION_FLAG, &unused_too, NULL, "destinations that nobody connected to as well"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    struct audit audit = {.view = view};
    if (as_json)
        write_json(&audit, unused_too);
    else
        print_table(&audit, unused_too);
    view_release(view);
    code = finish_output();
    return code == RESCTL_OK && audit.count ? RESCTL_NO : code;
}
