/* SPDX-License-Identifier: MIT
 * Frames. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "print.h"
#include "top.h"
#include "top_columns.h"

/* Where the next line of the frame is. */
struct frame {
    struct top *top;
    struct screen *screen;
    const struct screen_kind *kind;
    unsigned row;
};

static struct line *next_line(struct frame *frame)
{
    return screen_line(frame->screen, frame->row++);
}

static void put_safe(struct line *line, const char *text)
{
    char safe[ESCAPED(1024)];
    char cut[1024];
    copy_text(cut, sizeof cut, text, strcspn(text, "\n"));
    line_put(line, escape_text(safe, sizeof safe, cut));
}

static void draw_title(struct frame *frame)
{
    const struct top *top = frame->top;
    struct line *line = next_line(frame);
    char when[TIME_TEXT], every[32];
    line_style(line, frame->kind, STYLE_BOLD);
    line_put(line, "resctl top  ");
    line_style(line, frame->kind, STYLE_PLAIN);
    put_safe(line, top->segment->path);
    line = next_line(frame);
    if (!top->view)
        return;
    format_time(when, top->view->wall_ns);
    line_format(line, "%.8sZ  generation %" PRIu64 ", %u process%s, every %s, by %s%s", when + 11,
                top->view->generation, top->view->processes, top->view->processes == 1 ? "" : "es",
                format_duration(top->interval_ns, every, sizeof every), top->reversed ? "reversed " : "",
                top_sort_names[top->sort]);
    if (top->filter[0]) {
        line_put(line, ", only `");
        put_safe(line, top->filter);
        line_put(line, "'");
    }
    if (top->paused) {
        line_put(line, "  ");
        line_style(line, frame->kind, STYLE_WARN);
        line_put(line, "PAUSED");
        line_style(line, frame->kind, STYLE_PLAIN);
    }
}

static void banner(struct frame *frame, enum style style, const char *word, const char *text)
{
    struct line *line = next_line(frame);
    line_style(line, frame->kind, style);
    line_format(line, "%-9s ", word);
    line_style(line, frame->kind, STYLE_PLAIN);
    put_safe(line, text);
}

static void draw_banners(struct frame *frame)
{
    const struct view *view = frame->top->view;
    if (!view) {
        banner(frame, STYLE_BAD, "GONE", "there is no such segment now: waiting for it");
        return;
    }
    if (view->off)
        banner(frame, STYLE_BAD, "OFF", "the kill switch is set: every call passes through");
    if (view->config_error[0])
        banner(frame, STYLE_BAD, "ERROR", view->config_error);
    else if (!view->rules)
        banner(frame, STYLE_BAD, "NO RULES", "every call passes through");
    if (view->file_changed)
        banner(frame, STYLE_WARN, "CHANGED", "the configuration file is not the one that is loaded");
    for (uint32_t i = 0; i < view->destinations; i++)
        if (view->destination[i].chaos[0]) {
            banner(frame, STYLE_ADMIN, "CHAOS", "faults are injected into some destinations");
            break;
        }
}

static void draw_detail(struct frame *frame)
{
    const struct top *top = frame->top;
    const struct view_destination *destination = view_find(top->view, top->detail);
    char mode[VIEW_MODE], text[DURATION_TEXT];
    struct line *line = next_line(frame);
    if (!destination) {
        line_put(line, "this destination is not there any more");
        return;
    }
    const struct view_row *all = &destination->row[0];
    const struct top_track *track = top_track(&top->samples, top->detail, "*");
    put_safe(line, destination->name);
    line_format(line, ": %s%s%s, mode %s", state_names[all->state], all->reason ? " by " : "",
                reason_names[all->reason], view_mode(destination, mode));
    if (all->is_open)
        line_format(line, ", next attempt in %s", format_rough(text, all->next_attempt_ms * 1000));
    line = next_line(frame);
    line_format(line, "failures in a row %u", all->consecutive_failures);
    if (all->ratio_known)
        line_format(line, ", failure ratio %.1f%%", all->failure_ratio * 100);
    line_format(line, ", %u probe%s, %u in use, %u queued, retries %" PRIu64, all->probes, all->probes == 1 ? "" : "s",
                all->in_flight, all->queued, view_counter(top->view, all, "retries"));
    line = next_line(frame);
    line_put(line, "refused a second:");
    for (uint32_t i = 0; track && i < top->samples.reasons; i++) {
        line_format(line, "%s ", i ? "," : "");
        put_safe(line, top->samples.reason[i]);
        line_format(line, " %.1f", track->rejected_rate[i]);
    }
}

static void draw_list(struct frame *frame, unsigned rows)
{
    struct top *top = frame->top;
    top_columns_title(top, next_line(frame), frame->kind);
    top->page = rows > 0 ? rows : 1;
    if (top->place < top->first)
        top->first = top->place;
    if (top->place >= top->first + top->page)
        top->first = top->place - top->page + 1;
    if (top->items <= top->page)
        top->first = 0;
    for (uint32_t i = top->first; i < top->items && i < top->first + rows; i++)
        top_columns_row(top, next_line(frame), frame->kind, &top->item[i], i == top->place);
    if (top->items == 0 && rows > 0)
        line_put(next_line(frame),
                 top->filter[0] && top->mode == TOP_OVERVIEW ? "  no name contains the filter" : "  no traffic yet");
}

static void draw_connections(struct frame *frame, unsigned end)
{
    const struct top *top = frame->top;
    struct line *line = next_line(frame);
    line_style(line, frame->kind, STYLE_SELECTED);
    line_put(line, " CONNECTIONS            PID PROGRAM          FD STATE         AGE ENDPOINT");
    line_fill(line);
    line_style(line, frame->kind, STYLE_PLAIN);
    for (uint32_t i = 0; i < top->connections.count && frame->row < end; i++) {
        const struct connection *one = &top->connections.item[i];
        char age[DURATION_TEXT], program[ESCAPED(SEG_PROGRAM)], state[32] = "held", endpoint[ESCAPED(SEG_LABEL)];
        if (strcmp(one->destination, top->detail) != 0)
            continue;
        if (one->queued)
            snprintf(state, sizeof state, "place %u", one->place);
        else if (one->in_exchange)
            snprintf(state, sizeof state, "in exchange");
        line_format(next_line(frame), "%26u %-15.15s %4u %-11s %6s %s", one->pid,
                    escape_text(program, sizeof program, one->program), one->fd, state,
                    format_rough(age, one->age_ns / (uint64_t)NS_PER_US),
                    escape_text(endpoint, sizeof endpoint, one->endpoint));
    }
}

static void draw_help(struct frame *frame)
{
    static const struct {
        const char *key, *text;
    } keys[] = {
#define TOPKEY(id, typed, key, text) {key, text},
#include "top_keys.tbl.h"
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        line_format(next_line(frame), "  %-10s %s", keys[i].key, keys[i].text);
    line_put(next_line(frame), "Rates are of the last interval, errors and latencies of the last ten;");
    line_put(next_line(frame), "USED is slots/limit +waiting, CALLS the rate of the last minute or so.");
}

static void draw_bottom(struct frame *frame)
{
    const struct top *top = frame->top;
    frame->row = screen_rows(frame->screen) - 1;
    struct line *line = next_line(frame);
    if (top->input == INPUT_FILTER) {
        line_put(line, "filter: ");
        put_safe(line, top->typed);
        line_put(line, "_");
    } else if (top->input == INPUT_CONFIRM) {
        line_style(line, frame->kind, STYLE_WARN);
        line_format(line, "%s ", top->command);
        put_safe(line, top->target);
        line_put(line, " ? [y/N]");
        line_style(line, frame->kind, STYLE_PLAIN);
    } else if (top->note[0]) {
        put_safe(line, top->note);
    } else {
        line_style(line, frame->kind, STYLE_DIM);
        line_put(line, "q quit  ENTER look into  ESC back  s sort  r reverse  / filter  p pause  ? help");
        line_style(line, frame->kind, STYLE_PLAIN);
    }
}

void top_draw(struct top *top, struct screen *screen)
{
    struct frame frame = {.top = top, .screen = screen, .kind = screen_kind_of(screen)};
    unsigned rows = screen_rows(screen), end = rows - 1;
    for (unsigned row = 0; row < rows; row++)
        screen_line(screen, row);
    draw_title(&frame);
    draw_banners(&frame);
    if (top->mode == TOP_HELP) {
        draw_help(&frame);
    } else if (top->view && top->mode == TOP_OVERVIEW) {
        draw_list(&frame, end > frame.row + 1 ? end - frame.row - 1 : 0);
    } else if (top->view) {
        draw_detail(&frame);
        unsigned room = end > frame.row + 2 ? end - frame.row - 2 : 0, wanted = top->items ? top->items : 1;
        draw_list(&frame, wanted < room / 2 + 1 ? wanted : room / 2 + 1);
        draw_connections(&frame, end);
    }
    draw_bottom(&frame);
}
