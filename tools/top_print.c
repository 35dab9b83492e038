/* SPDX-License-Identifier: MIT
 * Frames for files and programs. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "json.h"
#include "print.h"
#include "top.h"
#include "top_columns.h"

enum { WIDE = 200 };

static void print_line(const struct line *line)
{
    size_t used = line->used;
    while (used && line->bytes[used - 1] == ' ')
        used--;
    printf("%.*s\n", (int)used, line->bytes);
}

void top_print(struct top *top, const struct screen_kind *kind)
{
    static struct line line;
    char when[TIME_TEXT], path[ESCAPED(SEGMENT_PATH)];
    if (!top->view) {
        printf("there is no such segment now: waiting for it\n\n");
        return;
    }
    printf("%s %s generation %" PRIu64 ", %u process%s%s\n", format_time(when, top->view->wall_ns),
           escape_text(path, sizeof path, top->segment->path), top->view->generation, top->view->processes,
           top->view->processes == 1 ? "" : "es", top->view->off ? ", OFF" : "");
    line_begin(&line, WIDE);
    top_columns_title(top, &line, kind);
    print_line(&line);
    for (uint32_t i = 0; i < top->items; i++) {
        line_begin(&line, WIDE);
        top_columns_row(top, &line, kind, &top->item[i], false);
        print_line(&line);
    }
    putchar('\n');
    fflush(stdout);
}

static void write_latency(struct json *json, const struct view_latency *latency)
{
    const uint64_t us[] = {latency->p50_us, latency->p90_us, latency->p99_us};
    static const char *const names[] = {"p50", "p90", "p99"};
    json_object(json, "latency_ms");
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++) {
        if (latency->samples)
            json_real(json, names[i], (double)us[i] / 1e3);
        else
            json_null(json, names[i]);
    }
    json_close(json);
}

static void write_item(struct json *json, const struct top *top, const struct top_item *item)
{
    static const struct top_track nothing;
    const struct top_track *track = item->track ? item->track : &nothing;
    int64_t limit = view_limit(top->view, item->destination);
    json_object(json, NULL);
    json_text(json, "name", item->destination->name);
    json_text(json, "state", state_names[item->row->state]);
    json_real(json, "calls_per_s", track->rate);
    if (track->judged)
        json_real(json, "error_ratio", track->error_ratio);
    else
        json_null(json, "error_ratio");
    json_object(json, "rejected_per_s");
    for (uint32_t i = 0; i < top->samples.reasons; i++)
        json_real(json, top->samples.reason[i], track->rejected_rate[i]);
    json_close(json);
    write_latency(json, &track->latency);
    json_number(json, "in_flight", item->row->in_flight);
    if (limit > 0)
        json_signed(json, "limit", limit);
    else
        json_null(json, "limit");
    json_number(json, "queued", item->row->queued);
    json_close(json);
}

void top_json(struct top *top)
{
    struct json json = {.out = stdout};
    char when[TIME_TEXT];
    json_object(&json, NULL);
    json_text(&json, "path", top->segment->path);
    json_text(&json, "time", top->view ? format_time(when, top->view->wall_ns) : NULL);
    json_array(&json, "destinations");
    for (uint32_t i = 0; i < top->items; i++)
        write_item(&json, top, &top->item[i]);
    json_close(&json);
    json_close(&json);
    fflush(stdout);
}
