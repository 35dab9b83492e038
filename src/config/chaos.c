/* SPDX-License-Identifier: MIT
 * The chaos grammar, driven by the table of faults: which argument each takes and at which calls it may act. */
#include "config/chaos.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/errnos.h"
#include "config/lexer.h"
#include "config/report.h"
#include "policy/conf.h"

#define DELAY_NS_MAX (24 * 3600 * 1000000000ll)

enum argument { ARGUMENT_NONE, ARGUMENT_ERRNO, ARGUMENT_DURATION, ARGUMENT_AFTER };

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
} call_rows[] = {{'C', "connect", FAULT_AT_CONNECT}, {'R', "read", FAULT_AT_READ}, {'W', "write", FAULT_AT_WRITE}};
enum { CALLS = sizeof call_rows / sizeof call_rows[0] };

static const struct {
    const char *name;
    size_t field;
    int64_t low;
} attribute_rows[] = {{"count", offsetof(struct fault, count), 1}, {"after", offsetof(struct fault, after), 0}};
enum { ATTRIBUTES = sizeof attribute_rows / sizeof attribute_rows[0], SEEN_PROBABILITY = 1u << ATTRIBUTES };

/* Where the message goes. */
struct complaint {
    char *text;
    size_t size;
};

/* Always false, for `return wrong(...)`. nearest may be NULL. */
static bool wrong(const struct complaint *complaint, struct slice got, const char *want, const char *nearest)
{
    char shown[64];
    text_format(complaint->text, complaint->size, "%u: got `%s', want %s%s%s", got.column,
                report_printable(got, shown, sizeof shown), want, nearest ? "; the nearest is " : "",
                nearest ? nearest : "");
    return false;
}

static bool parse_delay(const struct complaint *complaint, struct slice text, int64_t *ns)
{
    if (parse_duration(text.text, text.length, ns) && *ns <= DELAY_NS_MAX)
        return true;
    return wrong(complaint, text, "a duration with its unit (us ms s m h) up to 24h, such as 200ms", NULL);
}

/* D[~SPREAD] */
static bool parse_latency(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    size_t tilde = slice_find(text, "~");
    if (!parse_delay(complaint, slice_from(text, 0, tilde), &fault->delay_ns))
        return false;
    if (tilde == text.length)
        return true;
    return parse_delay(complaint, slice_from(text, tilde + 1, text.length), &fault->spread_ns);
}

static bool parse_errno(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    fault->error = chaos_errno(text.text, text.length);
    if (fault->error >= 0)
        return true;
    struct nearest nearest = {.got = text};
    for (const struct chaos_errno *row = chaos_errnos; row->name; row++)
        nearest_offer(&nearest, row->name);
    return wrong(complaint, text, "the name of an error of sockets", nearest.name);
}

/* text is what stands behind '=', its pointer NULL when there is no '='. */
static bool parse_argument(const struct complaint *complaint, const struct fault_row *row, struct slice whole,
                           struct slice text, struct fault *fault)
{
    switch (row->argument) {
    case ARGUMENT_NONE:
        return text.text ? wrong(complaint, whole, "no argument behind it", NULL) : true;
    case ARGUMENT_ERRNO:
        return text.text ? parse_errno(complaint, text, fault)
                         : wrong(complaint, whole, "an errno behind it, such as =ECONNRESET", NULL);
    case ARGUMENT_DURATION:
        return text.text ? parse_latency(complaint, text, fault)
                         : wrong(complaint, whole, "a duration behind it, such as =200ms", NULL);
    case ARGUMENT_AFTER:
        return text.text ? parse_delay(complaint, text, &fault->delay_ns) : true;
    }
    return false;
}

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
    return wrong(complaint, text, want, NULL);
}

/* FAULT[=ARG][@CALL] */
static bool parse_fault(const struct complaint *complaint, struct slice word, struct fault *fault)
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
        fault->kind = kind;
        return parse_argument(complaint, &fault_rows[kind], head, argument, fault) &&
               parse_call(complaint, &fault_rows[kind], call, fault);
    }
    return wrong(complaint, name, "a fault", nearest.name);
}

/* "P%", "count=N" or "after=N"; *seen holds a bit for each that stood there before. */
static bool parse_attribute(const struct complaint *complaint, struct slice word, struct fault *fault, unsigned *seen)
{
    size_t equals = slice_find(word, "=");
    struct slice name = slice_from(word, 0, equals);
    unsigned bit = 0;
    bool legal = false;
    if (word.text[word.length - 1] == '%') {
        int64_t ppm = 0;
        bit = SEEN_PROBABILITY;
        legal = parse_percent(word.text, word.length, &ppm) && ppm <= PPM;
        fault->probability_ppm = legal ? (uint32_t)ppm : 0;
    }
    struct nearest nearest = {.got = name};
    for (int row = 0; row < ATTRIBUTES; row++) {
        nearest_offer(&nearest, attribute_rows[row].name);
        if (!slice_is(name, attribute_rows[row].name) || equals == word.length)
            continue;
        int64_t *field = (int64_t *)(void *)((char *)fault + attribute_rows[row].field);
        bit = 1u << row;
        legal =
            parse_count(word.text + equals + 1, word.length - equals - 1, field) && *field >= attribute_rows[row].low;
    }
    if (!bit)
        return wrong(complaint, word, "a probability such as 10%, count=N or after=N", nearest.name);
    if (*seen & bit)
        return wrong(complaint, word, "it once", NULL);
    *seen |= bit;
    if (legal)
        return true;
    return wrong(complaint, word,
                 bit == SEEN_PROBABILITY ? "a percentage from 0% to 100%" : "a whole number, count from 1", NULL);
}

/* "NAME:" before the fault. */
static bool parse_target(const struct complaint *complaint, struct slice word, struct fault *fault)
{
    struct slice name = slice_from(word, 0, word.length - 1);
    if (!slice_is_name(name))
        return wrong(complaint, word, "the name of a destination and a colon", NULL);
    text_format(fault->target, sizeof fault->target, "%.*s", (int)name.length, name.text);
    return true;
}

/* [DEST: ]FAULT[=ARG][@CALL] [P%] [ATTRS] */
static bool parse_item(const struct complaint *complaint, struct slice item, struct fault *fault)
{
    struct slice rest = item, word;
    unsigned seen = 0;
    fault->probability_ppm = PPM;
    slice_word(&rest, &word);
    if (word.text[word.length - 1] == ':') {
        if (!parse_target(complaint, word, fault))
            return false;
        if (!slice_word(&rest, &word))
            return wrong(complaint, item, "a fault behind the name", NULL);
    }
    if (!parse_fault(complaint, word, fault))
        return false;
    while (slice_word(&rest, &word))
        if (!parse_attribute(complaint, word, fault, &seen))
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
            wrong(&complaint, item, "at most 16 faults", NULL);
        if (!room || !parse_item(&complaint, item, &out->fault[out->used])) {
            *out = (struct faults){0};
            return false;
        }
        out->used++;
    }
    return true;
}
