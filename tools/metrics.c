/* SPDX-License-Identifier: MIT
 * `resctl metrics`. Families come from metric_counters.tbl.h and metric_gauges.tbl.h; a counter that stands in
 * neither is shown under its own name, with the help that the segment's directory has for it. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "choose.h"
#include "exposition.h"
#include "metrics_values.h"
#include "print.h"
#include "segment/hist.h"

enum metric_scope { SCOPE_OF_SEGMENT, SCOPE_OF_DESTINATION, SCOPE_OF_ROW };

/* destination, endpoint, role, one of the metric's own, le, and the end. */
enum { LABELS = 6 };

struct writing {
    struct exposition *exposition;
    const struct view *view;
    bool *is_double; /* by destination: another one before it has its name: a damaged segment */
};

struct counted {
    const char *family;
    enum metric_scope scope;
    const char *label, *value, *counter, *minus, *help;
};

static const struct counted counted[] = {
#define COUNTED(family, scope, label, value, counter, minus, help)                                                     \
    {family, SCOPE_OF_##scope, label, value, counter, minus, help},
#include "metric_counters.tbl.h"
};

struct gauge {
    const char *name;
    enum metric_scope scope;
    const char *label, *value;
    double (*function)(const struct metric_subject *subject);
    const char *help;
};

static const struct gauge gauges[] = {
#define GAUGE(name, scope, label, value, function, help) {name, SCOPE_OF_##scope, label, value, function, help},
#include "metric_gauges.tbl.h"
};

enum { COUNTEDS = sizeof counted / sizeof counted[0], GAUGES = sizeof gauges / sizeof gauges[0] };

/* ---- who is told of */

typedef void (*teller)(const struct writing *writing, const struct metric_subject *subject, const void *what,
                       struct metric_label *labels);

/* Rows are sorted, so that equal ones, which only a damaged segment has, are neighbours. */
static bool is_repeated(const struct view_destination *destination, uint32_t row)
{
    const struct view_row *own = &destination->row[row], *before = own - 1;
    return row > 1 && own->is_fallback == before->is_fallback && strcmp(own->endpoint, before->endpoint) == 0;
}

/* Calls tell() for each row of the scope, with its labels and room for one more. */
static void for_each(const struct writing *writing, enum metric_scope scope, teller tell, const void *what)
{
    const struct view *view = writing->view;
    if (scope == SCOPE_OF_SEGMENT) {
        struct metric_label none[LABELS] = {{NULL, NULL}};
        struct metric_subject subject = {.view = view};
        tell(writing, &subject, what, none);
        return;
    }
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        uint32_t rows = scope == SCOPE_OF_ROW ? destination->rows : 1;
        for (uint32_t row = 0; row < rows && !writing->is_double[i]; row++) {
            struct metric_label labels[LABELS] = {{"destination", destination->name}, {NULL, NULL}};
            struct metric_subject subject = {view, destination, &destination->row[row]};
            if (scope == SCOPE_OF_ROW)
                labels[1] = (struct metric_label){"endpoint", subject.row->endpoint};
            if (subject.row->is_fallback)
                labels[2] = (struct metric_label){"role", "fallback"};
            if (!is_repeated(destination, row))
                tell(writing, &subject, what, labels);
        }
    }
}

static void add_label(struct metric_label *labels, const char *name, const char *value)
{
    while (labels->name)
        labels++;
    if (*name)
        *labels = (struct metric_label){name, value};
}

/* ---- counters */

static void tell_counted(const struct writing *writing, const struct metric_subject *subject, const void *what,
                         struct metric_label *labels)
{
    const struct counted *row = what;
    uint64_t value = view_counter(writing->view, subject->row, row->counter);
    uint64_t minus = *row->minus ? view_counter(writing->view, subject->row, row->minus) : 0;
    add_label(labels, row->label, row->value);
    exposition_count(writing->exposition, "_total", labels, value > minus ? value - minus : 0);
}

static void write_counted(const struct writing *writing)
{
    for (size_t i = 0; i < COUNTEDS; i++) {
        if (*counted[i].help)
            exposition_family(writing->exposition, METRIC_COUNTER, counted[i].family, counted[i].help);
        for_each(writing, counted[i].scope, tell_counted, &counted[i]);
    }
}

static bool is_counted(const char *counter)
{
    for (size_t i = 0; i < COUNTEDS; i++)
        if (strcmp(counted[i].counter, counter) == 0)
            return true;
    return false;
}

static void tell_other(const struct writing *writing, const struct metric_subject *subject, const void *what,
                       struct metric_label *labels)
{
    uint32_t index = *(const uint32_t *)what;
    exposition_count(writing->exposition, "_total", labels, subject->row->counter[index]);
}

/* Those of the segment's directory that no table names: also what a newer library counts. */
static void write_others(const struct writing *writing)
{
    for (uint32_t i = 0; i < writing->view->counters; i++) {
        const struct seg_counter *entry = seg_counter(writing->view->segment, i);
        char name[EXPOSITION_NAME], help[sizeof entry->help + 1];
        if (is_counted(writing->view->counter_name[i]))
            continue;
        snprintf(name, sizeof name, "resil_%s", writing->view->counter_name[i]);
        if (exposition_family(writing->exposition, METRIC_COUNTER, name,
                              copy_text(help, sizeof help, entry->help, sizeof entry->help)))
            for_each(writing, SCOPE_OF_ROW, tell_other, &i);
    }
}

/* Of the segment as a whole; they belong to no row. */
static void write_segment_counters(const struct writing *writing)
{
    const struct view *view = writing->view;
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"resil_shm_dropped", "connections or rows that found their table full: passed through", view->dropped},
        {"resil_doubts", "calls passed through because of an internal doubt", view->doubts},
        {"resil_unmatched_connects", "stream connects that no destination matched", view->foreign},
        {"resil_io_uring_allowed", "io_uring_setup() calls that were let through", view->rings},
        {"resil_io_uring_denied", "io_uring_setup() calls that were refused", view->rings_denied},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (exposition_family(writing->exposition, METRIC_COUNTER, rows[i].name, rows[i].help))
            exposition_count(writing->exposition, "_total", NULL, rows[i].value);
}

/* ---- gauges */

static void tell_gauge(const struct writing *writing, const struct metric_subject *subject, const void *what,
                       struct metric_label *labels)
{
    const struct gauge *row = what;
    add_label(labels, row->label, row->value);
    exposition_value(writing->exposition, "", labels, row->function(subject));
}

static void write_gauges(const struct writing *writing)
{
    for (size_t i = 0; i < GAUGES; i++) {
        if (*gauges[i].help)
            exposition_family(writing->exposition, METRIC_GAUGE, gauges[i].name, gauges[i].help);
        for_each(writing, gauges[i].scope, tell_gauge, &gauges[i]);
    }
}

static void tell_state(const struct writing *writing, const struct metric_subject *subject, const void *what,
                       struct metric_label *labels)
{
    (void)what;
    add_label(labels, "state", "");
    struct metric_label *label = labels;
    while (strcmp(label->name, "state") != 0)
        label++;
    for (uint32_t state = 0; state < STATE_COUNT; state++) {
        label->value = state_names[state];
        exposition_count(writing->exposition, "", labels, subject->row->state == state);
    }
}

static void write_states(const struct writing *writing)
{
    if (exposition_family(writing->exposition, METRIC_GAUGE, "resil_breaker_state",
                          "1 for the state that the breaker is in, 0 for the others"))
        for_each(writing, SCOPE_OF_ROW, tell_state, NULL);
}

/* ---- histograms: the segment's own buckets, joined where so many would be too many to scrape */

/* Powers of two from 64 us to 67 s, from 1 ms on with one bound between. */
static bool next_bound(uint32_t *bucket)
{
    enum { FIRST_US = 64, FINE_US = 1024, LAST_US = 1 << 26 };
    while (++*bucket < SEG_HIST && hist_end_us(*bucket) <= LAST_US) {
        uint64_t end_us = hist_end_us(*bucket);
        bool whole = (end_us & (end_us - 1)) == 0;
        bool half = end_us % 3 == 0 && ((end_us / 3) & (end_us / 3 - 1)) == 0;
        if (end_us >= FIRST_US && (whole || (half && end_us > FINE_US)))
            return true;
    }
    return false;
}

static void write_buckets(const struct writing *writing, const struct view_hist *hist, struct metric_label *labels)
{
    struct metric_label *label = labels;
    char bound[40];
    uint64_t below = 0;
    uint32_t at = 0, bucket = 0;
    double sum_us = 0;
    while (label->name)
        label++;
    *label = (struct metric_label){"le", bound};
    while (next_bound(&bucket)) {
        for (; at <= bucket; at++)
            below += hist->bucket[at];
        exposition_number((double)hist_end_us(bucket) / 1e6, bound, sizeof bound);
        exposition_count(writing->exposition, "_bucket", labels, below);
    }
    for (; at < SEG_HIST; at++)
        below += hist->bucket[at];
    snprintf(bound, sizeof bound, "+Inf");
    exposition_count(writing->exposition, "_bucket", labels, below);
    label->name = NULL;
    for (at = 0; at < SEG_HIST; at++)
        sum_us += (double)hist->bucket[at] * (double)hist_value_us(at);
    exposition_value(writing->exposition, "_sum", labels, sum_us / 1e6);
    exposition_count(writing->exposition, "_count", labels, below);
}

static void tell_connect(const struct writing *writing, const struct metric_subject *subject, const void *what,
                         struct metric_label *labels)
{
    (void)what;
    write_buckets(writing, &subject->row->hists.connect, labels);
}

static void tell_response(const struct writing *writing, const struct metric_subject *subject, const void *what,
                          struct metric_label *labels)
{
    (void)what;
    write_buckets(writing, &subject->row->hists.response, labels);
}

static void write_histograms(const struct writing *writing)
{
    if (exposition_family(writing->exposition, METRIC_HISTOGRAM, "resil_connect_seconds",
                          "time until a connection was made; the sum is that of the buckets' middles"))
        for_each(writing, SCOPE_OF_ROW, tell_connect, NULL);
    if (exposition_family(writing->exposition, METRIC_HISTOGRAM, "resil_response_seconds",
                          "time until the first byte of an answer; the sum is that of the buckets' middles"))
        for_each(writing, SCOPE_OF_ROW, tell_response, NULL);
}

/* ---- [check] sections */

static void write_check_states(struct exposition *exposition, const struct check_fact *facts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct metric_label labels[] = {
            {"check", facts[i].name},
            {"type", facts[i].rule->type == CHECK_LIVENESS ? "liveness" : "readiness"},
            {"critical", facts[i].rule->critical ? "on" : "off"},
            {NULL, NULL}};
        bool known = facts[i].is.state != HEALTH_UNKNOWN;
        exposition_value(exposition, "", labels, known ? facts[i].is.state == HEALTH_UP : (double)NAN);
    }
}

static void write_check_times(struct exposition *exposition, const struct check_fact *facts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct metric_label labels[] = {{"check", facts[i].name}, {NULL, NULL}};
        bool known = facts[i].is.state != HEALTH_UNKNOWN;
        exposition_value(exposition, "", labels, known ? (double)facts[i].latency_us / 1e6 : (double)NAN);
    }
}

static void write_check_results(struct exposition *exposition, const struct check_fact *facts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct metric_label ok[] = {{"check", facts[i].name}, {"result", "ok"}, {NULL, NULL}};
        const struct metric_label failed[] = {{"check", facts[i].name}, {"result", "failed"}, {NULL, NULL}};
        exposition_count(exposition, "_total", ok, facts[i].passed);
        exposition_count(exposition, "_total", failed, facts[i].failed);
    }
}

static void write_check_values(const struct writing *writing, const struct check_fact *facts, uint32_t count)
{
    struct exposition *exposition = writing->exposition;
    if (exposition_family(exposition, METRIC_GAUGE, "resil_check_up",
                          "1: the check is healthy, 0: it is not, NaN: nobody asks it"))
        write_check_states(exposition, facts, count);
    if (exposition_family(exposition, METRIC_GAUGE, "resil_check_seconds", "how long the last check took"))
        write_check_times(exposition, facts, count);
    if (exposition_family(exposition, METRIC_COUNTER, "resil_checks", "checks that were made, by result"))
        write_check_results(exposition, facts, count);
}

/* A name twice, which only damaged rules have, would spoil the scrape. */
static void write_checks(const struct writing *writing)
{
    const struct view *view = writing->view;
    struct check_fact facts[RULES_CHECKS];
    uint32_t count = view->rules ? checks_read(view->segment, view->rules, view->now_ns, facts) : 0, kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t before = 0;
        while (before < kept && strcmp(facts[before].name, facts[i].name) != 0)
            before++;
        if (before == kept)
            facts[kept++] = facts[i];
    }
    if (kept)
        write_check_values(writing, facts, kept);
}

/* ---- all of it */

static void find_doubles(const struct writing *writing)
{
    const struct view *view = writing->view;
    for (uint32_t i = 0; i < view->destinations; i++)
        for (uint32_t before = 0; before < i && !writing->is_double[i]; before++)
            writing->is_double[i] = strcmp(view->destination[i].name, view->destination[before].name) == 0;
}

void metrics_write(const struct view *view, FILE *out, bool openmetrics)
{
    struct exposition *exposition = take_memory(1, sizeof *exposition);
    const struct metric_label build[] = {{"version", RESIL_VERSION}, {NULL, NULL}};
    struct writing writing = {exposition, view, take_memory(view->destinations + 1, sizeof *writing.is_double)};
    exposition->out = out;
    exposition->openmetrics = openmetrics;
    find_doubles(&writing);
    if (exposition_family(exposition, METRIC_INFO, "resil_build", "the version of resctl"))
        exposition_count(exposition, "_info", build, 1);
    write_states(&writing);
    write_gauges(&writing);
    write_counted(&writing);
    write_segment_counters(&writing);
    write_histograms(&writing);
    write_checks(&writing);
    write_others(&writing); /* last: their names are the segment's */
    exposition_end(exposition);
    free(writing.is_double);
    free(exposition);
}

int command_metrics(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool openmetrics = false;
    const struct option_row rows[] = {
        {"openmetrics", 'o', OPTION_FLAG, &openmetrics, NULL, "OpenMetrics 1.0 instead of Prometheus text 0.0.4"},
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
    metrics_write(view, stdout, openmetrics);
    view_release(view);
    return finish_output();
}
