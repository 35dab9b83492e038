/* SPDX-License-Identifier: MIT
 * Words for events. */
#include "event_text.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/chaos.h"
#include "json.h"
#include "policy/health.h"
#include "print.h"
#include "tables/enums.h"

static const char *name_at(const char *const *names, uint32_t count, uint32_t index)
{
    return index < count ? names[index] : "?";
}

/* What the reason of an event is an index of depends on its kind. */
static const char *reason_of(const struct seg_event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_FALLBACK:
        if (event->reason == VERDICT_ADMIT)
            return "";
        /* fall through */
    case EVENT_REJECTED:
        return name_at(verdict_names, VERDICT_COUNT, event->reason);
    case EVENT_FAILED:
        return name_at(observation_names, OBSERVATION_COUNT, event->reason);
    case EVENT_UNREACHABLE:
        return "family";
    case EVENT_HEALTH:
        return name_at(finding_names, FINDING_COUNT, event->reason);
    case EVENT_NONE:
    case EVENT_STATE:
    case EVENT_RECLAIMED:
    case EVENT_LOADED:
    case EVENT_CONFIG_ERROR:
    case EVENT_RESET:
    case EVENT_AGENT:
    case EVENT_DISCOVERED:
    case EVENT_DISCOVERY_FAILED:
    case EVENT_SET:
    case EVENT_CLEARED:
    case EVENT_OFF:
    case EVENT_ON:
    case EVENT_CHAOS_DENIED:
    case EVENT_STALE:
    case EVENT_COUNT:
        break;
    }
    return name_at(reason_names, REASON_COUNT, event->reason);
}

/* What somebody did by hand: `error' is whose hand it was. */
static bool has_author(const struct seg_event *event)
{
    bool by_hand = event->kind == EVENT_RESET || (event->kind == EVENT_STATE && event->reason == REASON_FORCED);
    return by_hand || event->kind == EVENT_SET || event->kind == EVENT_CLEARED || event->kind == EVENT_OFF ||
           event->kind == EVENT_ON;
}

static bool has_states(const struct seg_event *event)
{
    return event->kind == EVENT_STATE || event->kind == EVENT_RESET || event->kind == EVENT_HEALTH;
}

/* What a state of the event is an index of, likewise. */
static const char *state_of(const struct seg_event *event, uint32_t state)
{
    return event->kind == EVENT_HEALTH ? name_at(health_names, HEALTH_STATES, state)
                                       : name_at(state_names, STATE_COUNT, state);
}

static void print_subject(const struct seg_event *event)
{
    char name[ESCAPED(SEG_NAME)], label[ESCAPED(SEG_LABEL)];
    if (event->name[0])
        printf("  %s  %s", escape_text(name, sizeof name, event->name), escape_text(label, sizeof label, event->label));
}

static void print_detail(const struct seg_event *event)
{
    const char *reason = reason_of(event);
    bool fails = event->error && !has_author(event);
    const char *error = fails ? chaos_errno_name((int)event->error) : NULL;
    if (has_states(event))
        printf("  %s -> %s", state_of(event, event->from), state_of(event, event->to));
    if (*reason)
        printf(has_states(event) ? "  (%s)" : "  %s", reason);
    if (error)
        printf("  %s", error);
    else if (fails)
        printf("  errno %u", event->error);
    if (event->count > 1 || event->kind == EVENT_REJECTED)
        printf("  x%" PRIu64, event->count);
}

void event_print(const struct seg_event *event)
{
    char when[TIME_TEXT], program[ESCAPED(SEG_PROGRAM)];
    printf("%s  %-8s", format_time(when, event->wall_ns), name_at(event_names, EVENT_COUNT, event->kind));
    print_subject(event);
    print_detail(event);
    if (has_author(event))
        printf("  uid %u", event->error);
    printf("  pid %u %s\n", event->pid, escape_text(program, sizeof program, event->program));
}

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

void event_print_json(const struct seg_event *event)
{
    event_write_json(event, stdout);
}

void event_write_json(const struct seg_event *event, FILE *out)
{
    struct json json = {.out = out};
    char when[TIME_TEXT];
    json_object(&json, NULL);
    json_text(&json, "time", format_time(when, event->wall_ns));
    json_number(&json, "monotonic_ns", event->time_ns);
    json_text(&json, "kind", name_at(event_names, EVENT_COUNT, event->kind));
    json_text(&json, "destination", text_or_null(event->name));
    json_text(&json, "endpoint", text_or_null(event->label));
    json_text(&json, "from", has_states(event) ? state_of(event, event->from) : NULL);
    json_text(&json, "to", has_states(event) ? state_of(event, event->to) : NULL);
    json_text(&json, "reason", text_or_null(reason_of(event)));
    bool fails = event->error && !has_author(event);
    if (fails)
        json_number(&json, "errno", event->error);
    else
        json_null(&json, "errno");
    json_text(&json, "error", fails ? chaos_errno_name((int)event->error) : NULL);
    json_number(&json, "count", event->count);
    if (has_author(event))
        json_number(&json, "uid", event->error);
    else
        json_null(&json, "uid");
    json_number(&json, "pid", event->pid);
    json_text(&json, "program", event->program);
    json_close(&json);
}

struct event_words event_words(const struct seg_event *event)
{
    bool states = has_states(event), fails = event->error && !has_author(event);
    const char *error = fails ? chaos_errno_name((int)event->error) : NULL;
    return (struct event_words){.kind = name_at(event_names, EVENT_COUNT, event->kind),
                                .from = states ? state_of(event, event->from) : "",
                                .to = states ? state_of(event, event->to) : "",
                                .reason = reason_of(event),
                                .error = error ? error : ""};
}
