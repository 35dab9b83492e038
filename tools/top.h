/* SPDX-License-Identifier: MIT
 * The state of `resctl top`, and its parts: what is shown (top_draw.c), keys (top_keys.c), the loop (top.c). */
#ifndef RESCTL_TOP_H
#define RESCTL_TOP_H

#include "connections.h"
#include "screen.h"
#include "top_sample.h"

enum top_sort { SORT_STATE, SORT_NAME, SORT_RATE, SORT_ERRORS, SORT_LATENCY, SORT_USED, SORT_REJECTED, SORTS };
extern const char *const top_sort_names[SORTS];

enum top_mode { TOP_OVERVIEW, TOP_DETAIL, TOP_HELP };
enum top_input { INPUT_KEYS, INPUT_FILTER, INPUT_CONFIRM };

enum { TOP_FILTER = 64, TOP_NOTE = 256 };

/* One line of the list that is selected from. */
struct top_item {
    const struct view_destination *destination;
    const struct view_row *row;
    const struct top_track *track;
};

struct top {
    struct segment *segment;
    struct view *view; /* NULL: the segment is gone */
    struct connections connections;
    struct top_samples samples;
    enum top_mode mode, before_help;
    enum top_input input;
    enum top_sort sort;
    bool reversed, paused, quit;
    int64_t interval_ns;
    char filter[TOP_FILTER];  /* a part of the destination's name, "" = all */
    char typed[TOP_FILTER];   /* the filter in the making */
    char detail[SEG_NAME];    /* the destination that is looked into */
    char selected[SEG_LABEL]; /* name of a destination, in TOP_DETAIL an endpoint: it stays when lines move */
    unsigned place, first;    /* of the selected line; the first line that is shown */
    unsigned page;            /* lines of the list that fit */
    char note[TOP_NOTE];      /* what an action answered; cleared by the next key */
    const char *command;      /* INPUT_CONFIRM: what will be run */
    char target[SEG_NAME + SEG_LABEL + 2];
    struct top_item *item;
    uint32_t items;
};

/* top_look(top): a new view, samples and list. */
void top_look(struct top *top);
/* top_list(top): the list for the mode, filter and order. */
void top_list(struct top *top);

/* top_draw(top, screen): the next frame. */
void top_draw(struct top *top, struct screen *screen);

/* top_print(top, kind): a frame without a screen, to stdout. */
void top_print(struct top *top, const struct screen_kind *kind);
void top_json(struct top *top);

/* top_keys(top, bytes, count): what was typed. */
void top_keys(struct top *top, const char *bytes, size_t count);

/* top_act(top): runs top->command on top->target and notes what it says. */
void top_act(struct top *top);

#endif
