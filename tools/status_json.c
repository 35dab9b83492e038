/* SPDX-License-Identifier: MIT
 * `resctl status --json`. Names and nesting are a contract; fields are added, never renamed. */
#include "status.h"

#include <string.h>

#include "agent/lease.h"
#include "agent/probe.h"
#include "base/clock.h"
#include "coverage.h"
#include "json.h"
#include "overrides.h"
#include "print.h"
#include "segment/rows.h"

static void write_agent(struct json *json, const struct view *view)
{
    struct agent_lease lease = agent_lease_read(view->segment, view->now_ns);
    if (lease.pid == 0) {
        json_null(json, "agent");
        return;
    }
    json_object(json, "agent");
    json_number(json, "pid", lease.pid);
    json_number(json, "age_ms", lease.age_ns / (uint64_t)NS_PER_MS);
    json_bool(json, "active", lease.active);
    json_close(json);
}

static void write_segment(struct json *json, const struct view *view)
{
    char text[TIME_TEXT];
    json_object(json, "segment");
    json_text(json, "path", view->segment->path);
    snprintf(text, sizeof text, "%u.%u", view->major, view->minor);
    json_text(json, "version", text);
    json_number(json, "generation", view->generation);
    json_number(json, "processes", view->processes);
    json_number(json, "dropped", view->dropped);
    json_number(json, "doubts", view->doubts);
    json_number(json, "foreign", view->foreign);
    json_number(json, "rings", view->rings);
    json_number(json, "rings_denied", view->rings_denied);
    json_text(json, "config_path", view->config_path[0] ? view->config_path : NULL);
    json_text(json, "config_error", view->config_error[0] ? view->config_error : NULL);
    json_text(json, "loaded_at", view->loaded_wall_ns ? format_time(text, view->loaded_wall_ns) : NULL);
    if (view->loaded_pid)
        json_number(json, "loaded_by", view->loaded_pid);
    else
        json_null(json, "loaded_by");
    json_bool(json, "file_changed", view->file_changed);
    json_bool(json, "off", view->off);
    write_agent(json, view);
    overrides_json(json, "overrides", view, -1);
    json_array(json, "chaos");
    for (uint32_t i = 0; i < view->destinations; i++)
        if (view->destination[i].chaos[0])
            json_text(json, NULL, view->destination[i].name);
    json_close(json);
    json_close(json);
}

static void write_latency(struct json *json, const char *name, const struct view_latency *latency)
{
    const struct {
        const char *name;
        uint64_t us;
    } parts[] = {
        {"p50", latency->p50_us}, {"p90", latency->p90_us}, {"p99", latency->p99_us}, {"max", latency->max_us}};
    json_object(json, name);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (latency->samples)
            json_real(json, parts[i].name, (double)parts[i].us / 1e3);
        else
            json_null(json, parts[i].name);
    }
    json_close(json);
}

static void number_or_null(struct json *json, const char *name, bool known, uint64_t value)
{
    if (known)
        json_number(json, name, value);
    else
        json_null(json, name);
}

static void write_force(struct json *json, const struct view *view, const struct view_force *force)
{
    char when[TIME_TEXT];
    if (force->state == 0) {
        json_null(json, "forced");
        return;
    }
    json_object(json, "forced");
    json_text(json, "state", state_names[force->state]);
    json_bool(json, "inherited", force->inherited);
    uint64_t rest_ns = force->end_ns > view->now_ns ? force->end_ns - view->now_ns : 0;
    number_or_null(json, "rest_ms", force->end_ns != 0, (rest_ns + NS_PER_MS - 1) / NS_PER_MS);
    json_number(json, "uid", force->author.uid);
    json_number(json, "pid", force->author.pid);
    json_text(json, "set_at", format_time(when, force->author.wall_ns));
    json_close(json);
}

static void write_breaker(struct json *json, const struct view_row *row)
{
    number_or_null(json, "open_for_ms", row->is_open, row->open_for_ms);
    number_or_null(json, "next_attempt_ms", row->is_open, row->next_attempt_ms);
    json_number(json, "consecutive_failures", row->consecutive_failures);
    if (row->ratio_known)
        json_real(json, "failure_ratio", row->failure_ratio);
    else
        json_null(json, "failure_ratio");
}

/* Of a destination as a whole; null of its endpoints. */
static void write_coverage(struct json *json, const struct view *view, const struct view_destination *destination,
                           const struct view_row *row)
{
    struct coverage coverage = {0};
    if (row == destination->row && destination->seg_row != ROW_NONE)
        coverage = coverage_read(&seg_row(view->segment, destination->seg_row)->coverage);
    coverage_json(json, &coverage);
}

/* null: not checked, or not lately. */
static void write_health(struct json *json, const struct view_health *health)
{
    char why[PROBE_TEXT];
    if (health->is.state == HEALTH_UNKNOWN) {
        json_null(json, "health");
        return;
    }
    json_object(json, "health");
    json_text(json, "state", health_names[health->is.state]);
    json_number(json, "for_ms", health->since_ms);
    json_text(json, "finding", health->is.finding < FINDING_COUNT ? finding_names[health->is.finding] : NULL);
    json_text(json, "message", probe_describe(health->is.finding, health->is.detail, why, sizeof why));
    json_number(json, "checked_ms", health->age_ms);
    json_close(json);
}

static void write_row(struct json *json, const struct view *view, const struct view_destination *destination,
                      const struct view_row *row)
{
    char mode[VIEW_MODE];
    int64_t limit = view_limit(view, destination);
    json_object(json, NULL);
    json_text(json, "name", destination->name);
    json_text(json, "endpoint", row->endpoint);
    json_bool(json, "fallback", row->is_fallback);
    json_bool(json, "retired", row->is_retired);
    json_text(json, "state", state_names[row->state]);
    json_text(json, "reason", row->reason == REASON_NONE ? NULL : reason_names[row->reason]);
    json_text(json, "mode", view_mode(destination, mode));
    json_number(json, "connections", row->connections);
    number_or_null(json, "limit", limit > 0, (uint64_t)limit);
    json_number(json, "queued", row->queued);
    json_number(json, "in_flight", row->in_flight);
    json_number(json, "probes", row->probes);
    write_breaker(json, row);
    write_force(json, view, &row->force);
    write_health(json, &row->health);
    if (row == destination->row)
        status_discovery_json(json, view, destination);
    else
        json_null(json, "discovery");
    json_object(json, "counters");
    for (uint32_t i = 0; i < view->counters; i++)
        json_number(json, view->counter_name[i], row->counter[i]);
    json_close(json);
    write_coverage(json, view, destination, row);
    json_object(json, "latency_ms");
    write_latency(json, "connect", &row->connect);
    write_latency(json, "response", &row->response);
    json_close(json);
    json_close(json);
}

static void write_unmatched(struct json *json, const struct view *view)
{
    json_array(json, "unmatched");
    for (uint32_t i = 0; i < view->unmatched_count; i++) {
        json_object(json, NULL);
        json_text(json, "address", view->unmatched[i].address);
        json_number(json, "count", view->unmatched[i].count);
        json_close(json);
    }
    json_close(json);
}

static void write_view(struct json *json, const struct view *view, const struct view_destination *only)
{
    write_segment(json, view);
    json_array(json, "destinations");
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        for (uint32_t r = 0; (!only || only == destination) && r < destination->rows; r++)
            write_row(json, view, destination, &destination->row[r]);
    }
    json_close(json);
    write_unmatched(json, view);
}

void status_json(const struct view *view, const struct view_destination *only)
{
    status_write_json(view, only, stdout);
}

void status_write_json(const struct view *view, const struct view_destination *only, FILE *out)
{
    struct json json = {.out = out};
    json_object(&json, NULL);
    write_view(&json, view, only);
    json_close(&json);
}

void status_jsons(struct view *const *views, const char *const *users, size_t count, const char *name)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_array(&json, "segments");
    for (size_t i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_text(&json, "user", users[i]);
        write_view(&json, views[i], name ? view_find(views[i], name) : NULL);
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
}
