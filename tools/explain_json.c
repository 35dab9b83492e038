/* SPDX-License-Identifier: MIT
 * The explanation as JSON. Fields are added, never renamed. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "config/compile.h"
#include "explain.h"
#include "json.h"

static void write_rule(struct json *json, const char *name, const struct explanation *explanation,
                       const struct explain_rule *rule)
{
    char text[TARGET_TEXT * 2];
    json_object(json, name);
    json_text(json, "destination", rule->pattern->destination->name);
    json_text(json, "match", pattern_text(explanation->rules, rule->match, text, sizeof text));
    json_text(json, "file", rule->pattern->file);
    json_number(json, "line", rule->match->line);
    json_bool(json, "fits", rule->why < MATCH_MISSES);
    json_text(json, "why", explain_why(rule->why));
    json_close(json);
}

static void write_addresses(struct json *json, const struct explanation *explanation)
{
    const struct target *target = explanation->target;
    json_bool(json, "unresolved", explanation->unresolved);
    json_array(json, "addresses");
    for (unsigned i = 0; i < target->addresses; i++) {
        char addr[INET6_ADDRSTRLEN] = "";
        const char *name;
        bool differs = explain_differs(explanation, i, &name);
        json_object(json, NULL);
        json_text(json, "address", inet_ntop(target->address[i].family, target->address[i].addr, addr, sizeof addr));
        json_text(json, "destination", name);
        json_bool(json, "differs", differs);
        json_close(json);
    }
    json_close(json);
}

/* from: destination, preset, defaults or default. of: the key whose value this one takes by default, else null. */
static void write_value(struct json *json, const struct explanation *explanation, int key)
{
    static const char *const kinds[] = {
        [SECTION_DEFAULTS] = "defaults", [SECTION_PRESET] = "preset", [SECTION_DESTINATION] = "destination"};
    struct emit_origin from;
    char value[EXPLAIN_VALUE];
    emit_origin(explanation->model, explanation->index, key, &from);
    const struct section *section = from.section;
    bool in_file = section && from.origin.layer != LAYER_BUILTIN;
    json_object(json, key_info[key].name);
    explain_value(explanation, key, value, sizeof value);
    json_text(json, "value", key_info[key].kind == KIND_TEXT && !*value ? NULL : value);
    json_text(json, "from", section ? kinds[section->kind] : "default");
    json_text(json, "preset", section && section->kind == SECTION_PRESET ? section->name : NULL);
    json_text(json, "of", from.key != key ? key_info[from.key].name : NULL);
    json_text(json, "file", in_file ? from.origin.place.file : NULL);
    if (in_file)
        json_number(json, "line", from.origin.place.line);
    else
        json_null(json, "line");
    json_close(json);
}

static void write_ms(struct json *json, const char *name, int64_t ns)
{
    if (ns == WORST_UNBOUNDED)
        json_null(json, name);
    else
        json_real(json, name, (double)ns / (double)NS_PER_MS);
}

static void write_worst(struct json *json, const struct worst *worst)
{
    json_object(json, "worst_connect");
    json_bool(json, "enforced", worst->enforced);
    write_ms(json, "worst_ms", worst->worst_ns);
    json_number(json, "attempts", (uint64_t)worst->attempts);
    write_ms(json, "attempt_ms", worst->attempt_ns);
    write_ms(json, "attempts_ms", worst->attempts_ns);
    write_ms(json, "backoff_ms", worst->backoff_ns);
    write_ms(json, "queue_ms", worst->queue_ns);
    write_ms(json, "rate_ms", worst->rate_ns);
    write_ms(json, "fallback_ms", worst->fallback_ns);
    write_ms(json, "reject_delay_ms", worst->reject_ns);
    write_ms(json, "sum_ms", worst->sum_ns);
    write_ms(json, "total_ms", worst->total_ns);
    json_close(json);
}

void explain_json(const struct explanation *explanation)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    write_addresses(&json, explanation);
    if (explanation->destination) {
        json_text(&json, "destination", explanation->winner.pattern->destination->name);
        write_rule(&json, "rule", explanation, &explanation->winner);
    } else {
        json_null(&json, "destination");
        json_null(&json, "rule");
    }
    json_array(&json, "others");
    for (uint32_t i = 0; i < explanation->count; i++)
        write_rule(&json, NULL, explanation, &explanation->others[i]);
    json_close(&json);
    if (explanation->destination) {
        write_worst(&json, &explanation->worst);
        json_object(&json, "values");
        for (int key = 0; key < KEY_COUNT; key++)
            write_value(&json, explanation, key);
        json_close(&json);
    } else {
        json_null(&json, "worst_connect");
        json_null(&json, "values");
    }
    json_close(&json);
}
