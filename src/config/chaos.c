/* SPDX-License-Identifier: MIT
 * The chaos grammar, driven by the table of faults: which argument each takes and at which calls it may act. */
#include "config/chaos.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/chaos_arguments.h"
#include "config/lexer.h"
#include "config/report.h"
#include "policy/conf.h"

static const struct fault_row {
    const char *name;
    enum argument argument;
    const char *calls;
} fault_rows[FAULT_COUNT] = {
#define FAULT(id, name, argument, calls) {name, ARGUMENT_##argument, calls},
#include "tables/faults.tbl.h"
};

static const struct {
    char letter; /* as in fault_row.calls */
    const char *name;
    uint32_t call;
} call_rows[] = {{'C', "connect", FAULT_AT_CONNECT},
                 {'R', "read", FAULT_AT_READ},
                 {'W', "write", FAULT_AT_WRITE},
                 {'D', "dns", FAULT_AT_DNS}};
enum { CALLS = sizeof call_rows / sizeof call_rows[0] };

enum { SEEN_PROBABILITY = 1, SEEN_COUNT = 2, SEEN_AFTER = 4, SEEN_FOR = 8, SEEN_DIR = 16, SEEN_APP = 32 };

/* A fault while it is parsed. */
struct item {
    struct fault *fault;
    const struct fault_row *row;
    bool called;   /* @CALL stood there */
    unsigned seen; /* SEEN_* */
};

/* The call of "@CALL"; without one, connect where the fault may act there, else the first call where it may. */
static bool parse_call(const struct complaint *complaint, const struct fault_row *row, struct slice text,
                       struct fault *fault)
{
    char want[64] = "";
    for (int call = 0; call < CALLS; call++) {
        if (!strchr(row->calls, call_rows[call].letter))
            continue;
        if (!text.text || slice_is(text, call_rows[call].name)) {
            fault->call = call_rows[call].call;
            return true;
        }
        size_t used = strlen(want);
        text_format(want + used, sizeof want - used, "%s%s", used ? " or " : "", call_rows[call].name);
    }
    return chaos_wrong(complaint, text, want, NULL);
}

/* FAULT[=ARG][@CALL] */
static bool parse_fault(const struct complaint *complaint, struct slice word, struct item *item)
{
    size_t at_sign = slice_find(word, "@");
    struct slice head = slice_from(word, 0, at_sign), call = {0}, argument = {0};
    if (at_sign < word.length)
        call = slice_from(word, at_sign + 1, word.length);
    size_t equals = slice_find(head, "=");
    struct slice name = slice_from(head, 0, equals);
    if (equals < head.length)
        argument = slice_from(head, equals + 1, head.length);

    struct nearest nearest = {.got = name};
    for (uint32_t kind = 0; kind < FAULT_COUNT; kind++) {
        nearest_offer(&nearest, fault_rows[kind].name);
        if (!slice_is(name, fault_rows[kind].name))
            continue;
        item->fault->kind = kind;
        item->row = &fault_rows[kind];
        item->called = call.text != NULL;
        return chaos_argument(complaint, item->row->argument, head, argument, item->fault) &&
               parse_call(complaint, item->row, call, item->fault);
    }
    return chaos_wrong(complaint, name, "a fault", nearest.name);
}

/* dir=down is read, dir=up is write, for the faults that know both. */
static bool parse_direction(const struct complaint *complaint, struct slice word, struct slice value, struct item *item)
{
    uint32_t call = slice_is(value, "down") ? FAULT_AT_READ : slice_is(value, "up") ? FAULT_AT_WRITE : 0;
    if (!call)
        return chaos_wrong(complaint, word, "dir=down or dir=up", NULL);
    if (!strchr(item->row->calls, call == FAULT_AT_READ ? 'R' : 'W'))
        return chaos_wrong(complaint, word, "a direction that this fault has", NULL);
    if (item->called && item->fault->call != call)
        return chaos_wrong(complaint, word, "the direction of the call behind the @", NULL);
    item->fault->call = call;
    return true;
}

static bool parse_app(const struct complaint *complaint, struct slice word, struct slice value, struct fault *fault)
{
    if (value.length == 0 || value.length >= sizeof fault->app)
        return chaos_wrong(complaint, word, "app= and a pattern of program names, at most 63 bytes", NULL);
    text_format(fault->app, sizeof fault->app, "%.*s", (int)value.length, value.text);
    return true;
}

static bool parse_probability(const struct complaint *complaint, struct slice word, struct fault *fault)
{
    int64_t ppm = 0;
    if (!parse_percent(word.text, word.length, &ppm) || ppm > PPM)
        return chaos_wrong(complaint, word, "a percentage from 0% to 100%", NULL);
    fault->probability_ppm = (uint32_t)ppm;
    return true;
}

static bool parse_number(const struct complaint *complaint, struct slice word, struct slice value, int64_t low,
                         int64_t *out)
{
    if (parse_count(value.text, value.length, out) && *out >= low)
        return true;
    return chaos_wrong(complaint, word, "a whole number, count from 1", NULL);
}

static bool parse_for(const struct complaint *complaint, struct slice word, struct slice value, struct fault *fault)
{
    return chaos_delay(complaint, value, &fault->for_ns) &&
           (fault->for_ns > 0 || chaos_wrong(complaint, word, "a time above 0", NULL));
}

/* Which attribute it is; 0 when it is none. */
static unsigned attribute_of(struct slice word, struct nearest *nearest)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"count", SEEN_COUNT}, {"after", SEEN_AFTER}, {"for", SEEN_FOR}, {"dir", SEEN_DIR}, {"app", SEEN_APP}};
    size_t equals = slice_find(word, "=");
    if (word.text[word.length - 1] == '%' && equals == word.length)
        return SEEN_PROBABILITY;
    *nearest = (struct nearest){.got = slice_from(word, 0, equals)};
    for (size_t row = 0; row < sizeof names / sizeof names[0]; row++) {
        nearest_offer(nearest, names[row].name);
        if (equals < word.length && slice_is(nearest->got, names[row].name))
            return names[row].bit;
    }
    return 0;
}

static bool parse_attribute(const struct complaint *complaint, struct slice word, struct item *item)
{
    static const char want[] = "a probability such as 10%, count=N, after=N, for=D, dir=down, dir=up or app=GLOB";
    struct nearest nearest = {0};
    unsigned bit = attribute_of(word, &nearest);
    size_t equals = slice_find(word, "=");
    struct slice value = equals < word.length ? slice_from(word, equals + 1, word.length) : word;
    struct fault *fault = item->fault;
    if (!bit)
        return chaos_wrong(complaint, word, want, nearest.name);
    if (item->seen & bit)
        return chaos_wrong(complaint, word, "it once", NULL);
    item->seen |= bit;
    switch (bit) {
    case SEEN_PROBABILITY:
        return parse_probability(complaint, word, fault);
    case SEEN_COUNT:
        return parse_number(complaint, word, value, 1, &fault->count);
    case SEEN_AFTER:
        return parse_number(complaint, word, value, 0, &fault->after);
    case SEEN_FOR:
        return parse_for(complaint, word, value, fault);
    case SEEN_DIR:
        return parse_direction(complaint, word, value, item);
    default:
        return parse_app(complaint, word, value, fault);
    }
}

/* "NAME:" before the fault. */
static bool parse_target(const struct complaint *complaint, struct slice word, struct fault *fault)
{
    struct slice name = slice_from(word, 0, word.length - 1);
    if (!slice_is_name(name))
        return chaos_wrong(complaint, word, "the name of a destination and a colon", NULL);
    text_format(fault->target, sizeof fault->target, "%.*s", (int)name.length, name.text);
    return true;
}

/* [DEST: ]FAULT[=ARG][@CALL] [P%] [ATTRS] */
static bool parse_item(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    struct slice rest = text, word;
    struct item item = {.fault = fault};
    fault->probability_ppm = PPM;
    slice_word(&rest, &word);
    if (word.text[word.length - 1] == ':') {
        if (!parse_target(complaint, word, fault))
            return false;
        if (!slice_word(&rest, &word))
            return chaos_wrong(complaint, text, "a fault behind the name", NULL);
    }
    if (!parse_fault(complaint, word, &item))
        return false;
    while (slice_word(&rest, &word))
        if (!parse_attribute(complaint, word, &item))
            return false;
    return true;
}

bool chaos_parse(const char *text, struct faults *out, char *error, size_t size)
{
    const struct complaint complaint = {error, size};
    struct slice rest = {text, strlen(text), 1}, item;
    *out = (struct faults){0};
    while (slice_cut(&rest, ";\n", &item)) {
        if (!item.length)
            continue;
        bool room = out->used < FAULTS_MAX;
        if (!room)
            chaos_wrong(&complaint, item, "at most 16 faults", NULL);
        if (!room || !parse_item(&complaint, item, &out->fault[out->used])) {
            *out = (struct faults){0};
            return false;
        }
        out->used++;
    }
    return true;
}
