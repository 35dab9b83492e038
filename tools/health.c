/* SPDX-License-Identifier: MIT
 * `resctl health`, and what the agent answers at /health. */
#include "health.h"

#include <stdlib.h>
#include <string.h>

#include "bare.h"
#include "choose.h"
#include "json.h"
#include "print.h"

enum verdict_of_health { HEALTHY, DEGRADED, UNHEALTHY };

enum { HTTP_OK = 200, HTTP_UNAVAILABLE = 503, HTTP_ERRORS = 400 };

static const char *const words[] = {"healthy", "degraded", "unhealthy"};

/* What one part amounts to for the whole. */
static enum verdict_of_health weigh(enum verdict_of_health part, bool critical)
{
    return part == UNHEALTHY && !critical ? DEGRADED : part;
}

static void worsen(enum verdict_of_health *whole, enum verdict_of_health part)
{
    if (part > *whole)
        *whole = part;
}

/* ---- checks */

static bool belongs(const struct check_fact *fact, enum health_scope scope)
{
    return scope == HEALTH_OF_ALL || (fact->rule->type == CHECK_LIVENESS) == (scope == HEALTH_OF_LIVENESS);
}

static enum verdict_of_health judge_check(const struct check_fact *fact)
{
    if (fact->is.state == HEALTH_UNKNOWN) /* nobody is killed because nobody asked; nobody is ready, either */
        return fact->rule->type == CHECK_LIVENESS ? HEALTHY : UNHEALTHY;
    return fact->is.state == HEALTH_UP ? HEALTHY : UNHEALTHY;
}

static void write_check(struct json *json, const struct check_fact *fact)
{
    char why[PROBE_TEXT];
    bool known = fact->is.state != HEALTH_UNKNOWN;
    json_object(json, fact->name);
    json_text(json, "status", known ? words[judge_check(fact)] : "unknown");
    json_text(json, "type", fact->rule->type == CHECK_LIVENESS ? "liveness" : "readiness");
    json_bool(json, "critical", fact->rule->critical != 0);
    if (known)
        json_real(json, "latency_ms", (double)fact->latency_us / 1e3);
    else
        json_null(json, "latency_ms");
    json_text(json, "message",
              known ? probe_describe(fact->is.finding, fact->is.detail, why, sizeof why)
                    : "not known: no check of it has passed, or failed often enough, lately");
    json_text(json, "asks", fact->label);
    json_close(json);
}

/* ---- destinations */

struct endpoints_of {
    unsigned known, up;
};

static struct endpoints_of count_endpoints(const struct view_destination *destination)
{
    struct endpoints_of count = {0, 0};
    for (uint32_t i = 1; i < destination->rows; i++) {
        const struct view_row *row = &destination->row[i];
        count.known += !row->is_fallback && row->health.is.state != HEALTH_UNKNOWN;
        count.up += !row->is_fallback && row->health.is.state == HEALTH_UP;
    }
    return count;
}

/* Only what is asked for can be found dead; a breaker alone says that calls failed. */
static bool is_critical(const struct view_destination *destination, const struct endpoints_of *endpoints)
{
    return destination->conf && endpoints->known > 0 && destination->conf->health_check_critical;
}

static enum verdict_of_health judge_destination(const struct view_destination *destination,
                                                const struct endpoints_of *endpoints)
{
    enum state state = (enum state)destination->row[0].state;
    bool open = state == STATE_OPEN || state == STATE_FORCED_OPEN;
    if (endpoints->known > 0 && endpoints->up == 0)
        return UNHEALTHY;
    if (open)
        return endpoints->up > 0 ? DEGRADED : UNHEALTHY;
    if (state == STATE_HALF_OPEN || state == STATE_DRAINING || endpoints->up < endpoints->known)
        return DEGRADED;
    return HEALTHY;
}

static void write_destination(struct json *json, const struct view_destination *destination,
                              const struct endpoints_of *endpoints)
{
    const struct view_row *row = &destination->row[0];
    json_object(json, destination->name);
    json_text(json, "status", words[judge_destination(destination, endpoints)]);
    json_bool(json, "critical", is_critical(destination, endpoints));
    json_text(json, "state", state_names[row->state]);
    json_text(json, "reason", row->reason == REASON_NONE ? NULL : reason_names[row->reason]);
    if (endpoints->known) {
        json_number(json, "endpoints_up", endpoints->up);
        json_number(json, "endpoints_checked", endpoints->known);
    }
    json_close(json);
}

/* A destination that the rules do not have any more is nobody's business, nor one that is switched off. */
static bool is_shown(const struct view_destination *destination, enum health_scope scope)
{
    return scope != HEALTH_OF_LIVENESS && destination->conf && destination->conf->mode != MODE_OFF;
}

/* ---- the whole */

static enum verdict_of_health judge(const struct view *view, const struct check_fact *facts, uint32_t count,
                                    enum health_scope scope)
{
    enum verdict_of_health whole = HEALTHY;
    for (uint32_t i = 0; i < count; i++)
        if (belongs(&facts[i], scope))
            worsen(&whole, weigh(judge_check(&facts[i]), facts[i].rule->critical != 0));
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        struct endpoints_of endpoints = count_endpoints(destination);
        if (is_shown(destination, scope))
            worsen(&whole, weigh(judge_destination(destination, &endpoints), is_critical(destination, &endpoints)));
    }
    return whole;
}

static int status_of(const struct view *view, enum verdict_of_health whole, enum health_scope scope)
{
    if (whole == UNHEALTHY)
        return HTTP_UNAVAILABLE;
    return whole == DEGRADED && scope == HEALTH_OF_ALL && view->rules ? (int)view->rules->degraded_code : HTTP_OK;
}

int health_write(const struct view *view, const struct check_fact *facts, uint32_t count, enum health_scope scope,
                 FILE *out)
{
    struct json json = {.out = out};
    char when[TIME_TEXT];
    enum verdict_of_health whole = judge(view, facts, count, scope);
    json_object(&json, NULL);
    json_text(&json, "status", words[whole]);
    if (scope != HEALTH_OF_ALL)
        json_bool(&json, scope == HEALTH_OF_LIVENESS ? "alive" : "ready", whole != UNHEALTHY);
    json_text(&json, "timestamp", format_time(when, view->wall_ns));
    json_object(&json, "checks");
    for (uint32_t i = 0; i < count; i++)
        if (belongs(&facts[i], scope))
            write_check(&json, &facts[i]);
    json_close(&json);
    json_object(&json, "destinations");
    for (uint32_t i = 0; i < view->destinations; i++) {
        struct endpoints_of endpoints = count_endpoints(&view->destination[i]);
        if (is_shown(&view->destination[i], scope))
            write_destination(&json, &view->destination[i], &endpoints);
    }
    json_close(&json);
    json_close(&json);
    return status_of(view, whole, scope);
}

static int tell(const struct segment *segment, enum health_scope scope)
{
    struct view *view = view_take(segment);
    struct check_fact facts[RULES_CHECKS];
    uint32_t all = view->rules ? checks_read(segment, view->rules, view->now_ns, facts) : 0, count = 0;
    for (uint32_t i = 0; i < all; i++)
        if (belongs(&facts[i], scope))
            facts[count++] = facts[i];
    if (count)
        checks_ask(view->rules, facts, count);
    int status = health_write(view, facts, count, scope, stdout);
    view_release(view);
    int code = finish_output();
    return code != RESCTL_OK ? code : status < HTTP_ERRORS ? RESCTL_OK : RESCTL_NO;
}

int command_health(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool live = false, ready = false, as_json = true;
    const struct option_row rows[] = {
        {"live", 'l', OPTION_FLAG, &live, NULL, "only the checks of type liveness: alive or not"},
        {"ready", 'r', OPTION_FLAG, &ready, NULL, "only those of type readiness, and the destinations: ready or not"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "JSON, as always"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (live && ready) {
        complain("health: --live and --ready exclude each other");
        return RESCTL_USAGE;
    }
    become_bare(argv);
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    return tell(&segment, live ? HEALTH_OF_LIVENESS : ready ? HEALTH_OF_READINESS : HEALTH_OF_ALL);
}
