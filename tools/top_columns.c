/* SPDX-License-Identifier: MIT
 * Columns: a table of what each is called, how wide it is, and what stands in it. */
#include "top_columns.h"

#include <stdio.h>
#include <string.h>

#include "print.h"

enum { CELL = 160 };

enum column { NAME, STATE, RATE, ERRORS, P50, P90, P99, USED, REJECTED, WHY, HISTORY, REASONS, COLUMNS };

static const struct {
    const char *title;
    unsigned least, most;
    unsigned rank; /* 0: always; others are left out where it is narrow, the highest first */
    bool right;
} columns[COLUMNS] = {
    [NAME] = {"NAME", 10, 64, 0, false}, [STATE] = {"STATE", 9, 13, 0, false},   [RATE] = {"CALL/S", 6, 8, 1, true},
    [ERRORS] = {"ERR%", 5, 5, 2, true},  [P50] = {"P50", 5, 6, 6, true},         [P90] = {"P90", 5, 6, 8, true},
    [P99] = {"P99", 5, 6, 4, true},      [USED] = {"USED", 8, 14, 3, true},      [REJECTED] = {"REJ/S", 5, 7, 5, true},
    [WHY] = {"WHY", 5, 13, 7, false},    [HISTORY] = {"CALLS", 6, 40, 9, false}, [REASONS] = {"", 0, 0, 10, true},
};

/* The widths of a line so wide; 0: left out. Reasons: of each one's column. */
struct plan {
    unsigned width[COLUMNS];
};

static unsigned reason_width(const struct top *top, uint32_t reason)
{
    char safe[ESCAPED(sizeof top->samples.reason[0])];
    size_t length = strlen(escape_text(safe, sizeof safe, top->samples.reason[reason]));
    return length < 6 ? 6 : (unsigned)length;
}

/* With the blank behind it. */
static unsigned least_of(const struct top *top, enum column column)
{
    unsigned sum = 0;
    if (column == NAME && top->mode == TOP_DETAIL)
        return 22; /* an IPv4 endpoint */
    for (uint32_t i = 0; column == REASONS && i < top->samples.reasons; i++)
        sum += reason_width(top, i) + 1;
    return column == REASONS ? sum : columns[column].least + 1;
}

/* Nobody needs more for the names than the longest of them. */
static unsigned most_of(const struct top *top, enum column column)
{
    char safe[ESCAPED(SEG_LABEL)];
    size_t most = 0, length;
    if (column != NAME)
        return columns[column].most;
    for (uint32_t i = 0; i < top->items; i++) {
        const struct top_item *item = &top->item[i];
        escape_text(safe, sizeof safe, top->mode == TOP_DETAIL ? item->row->endpoint : item->destination->name);
        length = strlen(safe) + (item->row->is_fallback ? strlen(" fallback") : 0);
        most = length > most ? length : most;
    }
    return (unsigned)most;
}

static struct plan make_plan(const struct top *top, unsigned room)
{
    struct plan plan = {.width = {0}};
    unsigned used = 1; /* the mark */
    for (unsigned rank = 0; rank <= 10; rank++)
        for (unsigned column = 0; column < COLUMNS; column++) {
            unsigned least = least_of(top, column);
            if (columns[column].rank != rank || (rank > 0 && used + least - 1 > room))
                continue;
            plan.width[column] = least - (column != REASONS);
            used += least;
        }
    used--;
    static const enum column wide[] = {NAME, STATE, HISTORY, USED, WHY, RATE, REJECTED, P50, P90, P99};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0] && used < room; i++) {
        unsigned most = most_of(top, wide[i]), width = plan.width[wide[i]];
        if (width == 0 || width >= most)
            continue;
        unsigned more = most - width;
        more = more < room - used ? more : room - used;
        plan.width[wide[i]] += more;
        used += more;
    }
    return plan;
}

static void format_rate(char *out, double rate)
{
    if (rate >= 99999.5)
        snprintf(out, CELL, "%.0fk", rate / 1000);
    else if (rate >= 999.5)
        snprintf(out, CELL, "%.0f", rate);
    else
        snprintf(out, CELL, "%.1f", rate);
}

static void format_quantile(char *out, const struct top_track *track, unsigned percent)
{
    const struct view_latency *latency = track ? &track->latency : NULL;
    if (!latency || latency->samples == 0)
        snprintf(out, CELL, "-");
    else
        format_rough(out, percent == 50 ? latency->p50_us : percent == 90 ? latency->p90_us : latency->p99_us);
}

static void format_used(const struct top *top, char *out, const struct top_item *item)
{
    int64_t limit = view_limit(top->view, item->destination);
    int used = limit > 0 && item->row == item->destination->row
                   ? snprintf(out, CELL, "%u/%lld", item->row->in_flight, (long long)limit)
                   : snprintf(out, CELL, "%u", item->row->connections);
    if (item->row->queued)
        snprintf(out + used, (size_t)(CELL - used), "+%u", item->row->queued);
}

/* What most of the refusals are for. */
static void format_why(const struct top *top, char *out, const struct top_track *track)
{
    double most = 0;
    snprintf(out, CELL, "-");
    for (uint32_t i = 0; track && i < top->samples.reasons; i++)
        if (track->rejected_rate[i] > most) {
            most = track->rejected_rate[i];
            escape_text(out, CELL, top->samples.reason[i]);
        }
}

static void fill(const struct top *top, enum column column, const struct top_item *item, char *out)
{
    const struct top_track *track = item->track;
    snprintf(out, CELL, "-");
    switch (column) {
    case NAME:
        escape_text(out, CELL, top->mode == TOP_DETAIL ? item->row->endpoint : item->destination->name);
        if (item->row->is_fallback)
            snprintf(out + strlen(out), CELL - strlen(out), " fallback");
        break;
    case STATE:
        snprintf(out, CELL, "%s", state_names[item->row->state]);
        break;
    case RATE:
        format_rate(out, track ? track->rate : 0);
        break;
    case ERRORS:
        if (track && track->judged)
            snprintf(out, CELL, "%.1f", track->error_ratio * 100);
        break;
    case P50:
    case P90:
    case P99:
        format_quantile(out, track, column == P50 ? 50 : column == P90 ? 90 : 99);
        break;
    case USED:
        format_used(top, out, item);
        break;
    case REJECTED:
        format_rate(out, track ? track->rejected_sum : 0);
        break;
    case WHY:
        format_why(top, out, track);
        break;
    default:
        break;
    }
}

static enum style style_of(enum column column, const struct top_item *item)
{
    if (column == STATE)
        return item->row->state == STATE_OPEN        ? STYLE_BAD
               : item->row->state == STATE_HALF_OPEN ? STYLE_WARN
               : item->row->state == STATE_CLOSED    ? STYLE_GOOD
                                                     : STYLE_ADMIN;
    if (column == ERRORS && item->track && item->track->error_ratio > 0)
        return item->track->error_ratio >= 0.5 ? STYLE_BAD : STYLE_WARN;
    if (column == REJECTED && item->track && item->track->rejected_sum > 0)
        return STYLE_WARN;
    return STYLE_PLAIN;
}

void top_columns_title(const struct top *top, struct line *line, const struct screen_kind *kind)
{
    struct plan plan = make_plan(top, line->columns);
    line_style(line, kind, STYLE_SELECTED);
    line_put(line, " ");
    for (unsigned column = 0; column < COLUMNS; column++) {
        const char *title = column == NAME && top->mode == TOP_DETAIL ? "ENDPOINT" : columns[column].title;
        for (uint32_t i = 0; column == REASONS && plan.width[column] && i < top->samples.reasons; i++) {
            char name[ESCAPED(sizeof top->samples.reason[0])];
            line_cell(line, reason_width(top, i), true, escape_text(name, sizeof name, top->samples.reason[i]));
            line_put(line, " ");
        }
        if (column == REASONS || plan.width[column] == 0)
            continue;
        line_cell(line, plan.width[column], columns[column].right, title);
        line_put(line, " ");
    }
    line_fill(line);
    line_style(line, kind, STYLE_PLAIN);
}

static void put_reasons(const struct top *top, struct line *line, const struct top_track *track)
{
    char cell[CELL];
    for (uint32_t i = 0; i < top->samples.reasons; i++) {
        format_rate(cell, track ? track->rejected_rate[i] : 0);
        line_cell(line, reason_width(top, i), true, cell);
        line_put(line, " ");
    }
}

static void put_cell(const struct top *top, struct line *line, const struct screen_kind *kind, enum column column,
                     unsigned width, const struct top_item *item, bool selected)
{
    char cell[CELL];
    double history[SCREEN_COLUMNS];
    enum style style = style_of(column, item);
    if (column == HISTORY) {
        unsigned count = width < TOP_HISTORY - 1 ? width : TOP_HISTORY - 1;
        if (item->track)
            top_history(item->track, history, count);
        if (item->track)
            line_sparks(line, kind, history, count);
        else
            line_cell(line, count, false, "");
        line_put(line, " ");
        return;
    }
    fill(top, column, item, cell);
    if (style != STYLE_PLAIN && !selected)
        line_style(line, kind, style);
    line_cell(line, width, columns[column].right, cell);
    if (style != STYLE_PLAIN && !selected)
        line_style(line, kind, STYLE_PLAIN);
    line_put(line, " ");
}

void top_columns_row(const struct top *top, struct line *line, const struct screen_kind *kind,
                     const struct top_item *item, bool selected)
{
    struct plan plan = make_plan(top, line->columns);
    if (selected)
        line_style(line, kind, STYLE_SELECTED);
    line_put(line, selected ? ">" : " ");
    for (unsigned column = 0; column < COLUMNS; column++) {
        if (plan.width[column] == 0)
            continue;
        if (column == REASONS)
            put_reasons(top, line, item->track);
        else
            put_cell(top, line, kind, column, plan.width[column], item, selected);
    }
    if (selected)
        line_fill(line);
    line_style(line, kind, STYLE_PLAIN);
}
