/* SPDX-License-Identifier: MIT
 * `resctl dump`: all of a segment as JSON, for bug reports and for eyes that trust nobody. Every structure that is in
 * use, each field as it stands there (dump_fields.tbl.h), and beside packed words what they hold. Never writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "config/compile.h"
#include "dump_record.h"
#include "json.h"
#include "options.h"
#include "policy/breaker.h"
#include "print.h"
#include "segment/events.h"
#include "segment/ledger.h"
#include "segment/ledger_steps.h"
#include "segment/registry.h"
#include "view.h"

static const char *name_at(const char *const *names, uint32_t count, uint32_t index)
{
    return index < count ? names[index] : NULL;
}

static void begin_record(struct json *json, const struct segment *segment, enum dump_structure structure,
                         uint32_t index, const void *record)
{
    json_object(json, NULL);
    json_number(json, "index", index);
    dump_record(json, segment, structure, record);
}

static void dump_directory(struct json *json, const struct segment *segment)
{
    json_array(json, "counters");
    for (uint32_t i = 0; i < SEG_DIRECTORY; i++) {
        const struct seg_counter *entry = seg_counter(segment, i);
        if (!entry->name[0])
            continue;
        begin_record(json, segment, DUMP_seg_counter, i, entry);
        json_close(json);
    }
    json_close(json);
}

static void dump_values(struct json *json, const struct rules *rules, const struct conf *conf)
{
    const int64_t *values = (const int64_t *)conf;
    json_object(json, "values");
    for (int key = 0; key < KEY_COUNT; key++) {
        char text[512];
        bool is_text = key_info[key].kind == KIND_TEXT;
        json_text(json, key_info[key].name,
                  is_text ? rules_text(rules, values[key]) : config_format_value(key, values[key], text, sizeof text));
    }
    json_close(json);
}

static void dump_rules(struct json *json, const struct segment *segment)
{
    struct rules *rules = view_rules(segment);
    if (!rules) {
        json_null(json, "rules");
        return;
    }
    json_object(json, "rules");
    json_number(json, "bytes", rules->bytes);
    json_number(json, "crc", rules->crc);
    json_number(json, "conf_bytes", rules->conf_bytes);
    json_number(json, "matches", rules->matches);
    json_number(json, "endpoints", rules->endpoints);
    json_array(json, "destinations");
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        json_object(json, NULL);
        json_text(json, "name", rules_text(rules, destination->name));
        json_number(json, "line", destination->line);
        dump_values(json, rules, &destination->conf);
        json_close(json);
    }
    json_close(json);
    json_close(json);
    free(rules);
}

static void dump_breaker(struct json *json, const struct seg_row *row)
{
    struct breaker breaker = breaker_unpack(atomic_load_explicit(&row->breaker, memory_order_relaxed));
    json_object(json, "breaker_holds");
    json_text(json, "state", name_at(state_names, STATE_COUNT, breaker.state));
    json_number(json, "generation", breaker.generation);
    json_number(json, "exponent", breaker.exponent);
    json_number(json, "consecutive", breaker.consecutive);
    json_number(json, "successes", breaker.successes);
    json_number(json, "failures", breaker.failures);
    json_number(json, "slow", breaker.slow);
    json_number(json, "until_us", breaker.until_us);
    json_close(json);
}

static void dump_rows(struct json *json, const struct segment *segment)
{
    static const char *const kinds[] = {"free", "destination", "endpoint", "account", "fallback", "check"};
    json_array(json, "rows");
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(segment, i);
        if (atomic_load(&row->claim) == 0)
            continue;
        begin_record(json, segment, DUMP_seg_row, i, row);
        json_text(json, "kind_name", name_at(kinds, sizeof kinds / sizeof kinds[0], row->kind));
        dump_breaker(json, row);
        json_number(json, "slots_taken", ledger_count(atomic_load(&row->account)));
        json_number(json, "places_taken", ledger_count(atomic_load(&row->queue)));
        json_close(json);
    }
    json_close(json);
}

static void dump_processes(struct json *json, const struct segment *segment)
{
    json_array(json, "processes");
    for (uint32_t i = 0; i < SEG_PROCESSES; i++) {
        const struct seg_process *process = seg_process(segment, i);
        uint32_t owner = registry_owner_at(segment, i);
        if (atomic_load(&process->word) == 0)
            continue;
        begin_record(json, segment, DUMP_seg_process, i, process);
        json_number(json, "owner", owner);
        json_bool(json, "alive", owner != 0 && registry_alive(segment, owner));
        json_close(json);
    }
    json_close(json);
}

static void dump_ledger(struct json *json, const struct segment *segment)
{
    static const char *const states[] = {"free", "claimed", "pending", "held", "queued", "admitted"};
    json_array(json, "ledger");
    for (uint32_t i = 0; i < SEG_LEDGER; i++) {
        const struct seg_entry *entry = seg_entry(segment, i);
        uint64_t word = atomic_load(&entry->word);
        if (state_of(word) == ENTRY_FREE)
            continue;
        begin_record(json, segment, DUMP_seg_entry, i, entry);
        json_text(json, "state", name_at(states, sizeof states / sizeof states[0], state_of(word)));
        json_number(json, "owner", owner_of(word));
        json_close(json);
    }
    json_close(json);
}

static void dump_lookups(struct json *json, const struct segment *segment)
{
    json_array(json, "lookups");
    for (uint32_t i = 0; i < SEG_LOOKUPS; i++) {
        const struct seg_lookup *entry = seg_lookup(segment, i);
        if (entry->count == 0)
            continue;
        begin_record(json, segment, DUMP_seg_lookup, i, entry);
        json_close(json);
    }
    json_close(json);
}

static void dump_unmatched(struct json *json, const struct segment *segment)
{
    json_array(json, "unmatched");
    for (uint32_t i = 0; i < SEG_UNMATCHED; i++) {
        const struct seg_unmatched *row = seg_unmatched(segment, i);
        if (atomic_load(&row->last_ns) == 0)
            continue;
        begin_record(json, segment, DUMP_seg_unmatched, i, row);
        json_close(json);
    }
    json_close(json);
}

static void dump_ring(struct json *json, const struct segment *segment, enum event_ring ring, const char *name,
                      uint64_t capacity)
{
    uint64_t end = atomic_load(&seg_header(segment)->event_seq[ring]);
    json_array(json, name);
    for (uint64_t back = end < capacity ? end : capacity; back > 0; back--) {
        struct seg_event event;
        if (!event_read(segment, ring, end - back, &event))
            continue;
        json_object(json, NULL);
        dump_record(json, segment, DUMP_seg_event, &event);
        json_text(json, "kind_name", name_at(event_names, EVENT_COUNT, event.kind));
        json_close(json);
    }
    json_close(json);
}

static void dump(struct json *json, const struct segment *segment)
{
    json_object(json, NULL);
    json_text(json, "path", segment->path);
    json_object(json, "header");
    dump_record(json, segment, DUMP_seg_header, seg_header(segment));
    json_close(json);
    dump_directory(json, segment);
    dump_rules(json, segment);
    dump_rows(json, segment);
    dump_processes(json, segment);
    dump_ledger(json, segment);
    dump_unmatched(json, segment);
    dump_lookups(json, segment);
    json_object(json, "events");
    dump_ring(json, segment, RING_LIFE, "life", SEG_EVENTS_LIFE);
    dump_ring(json, segment, RING_REFUSAL, "refusal", SEG_EVENTS_REFUSAL);
    json_close(json);
    json_close(json);
}

int command_dump(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool as_json = true;
    const struct option_row rows[] = {{"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object: it always is"},
                                      CHOICE_OPTIONS(choice),
                                      {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    struct segment segment;
    struct json json = {.out = stdout};
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    dump(&json, &segment);
    return finish_output();
}
