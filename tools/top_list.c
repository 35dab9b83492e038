/* SPDX-License-Identifier: MIT
 * Which lines there are, and in what order. */
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "top.h"

const char *const top_sort_names[SORTS] = {"state", "name", "rate", "errors", "latency", "used", "rejected"};

/* How much attention a state wants. */
static int urgency(uint32_t state)
{
    switch (state) {
    case STATE_OPEN:
        return 4;
    case STATE_HALF_OPEN:
        return 3;
    case STATE_CLOSED:
        return 0;
    default:
        return 2; /* by hand */
    }
}

static double use_of(const struct top_item *item)
{
    return item->row->in_flight + (double)item->row->queued * 1e6;
}

static double weight(const struct top_item *item, enum top_sort sort)
{
    const struct top_track *track = item->track;
    switch (sort) {
    case SORT_STATE:
        return urgency(item->row->state) + (track && track->error_ratio > 0 ? 0.5 : 0);
    case SORT_RATE:
        return track ? track->rate : 0;
    case SORT_ERRORS:
        return track ? track->error_ratio : 0;
    case SORT_LATENCY:
        return track && track->latency.samples ? (double)track->latency.p99_us : -1;
    case SORT_USED:
        return use_of(item);
    case SORT_REJECTED:
        return track ? track->rejected_sum : 0;
    default:
        return 0;
    }
}

static enum top_sort order; /* of the list in the making: qsort() takes no context */

static int by_order(const void *a, const void *b)
{
    const struct top_item *left = a, *right = b;
    double difference = weight(right, order) - weight(left, order);
    if (difference > 0 || difference < 0)
        return difference > 0 ? 1 : -1;
    int names = strcmp(left->destination->name, right->destination->name);
    return names ? names : strcmp(left->row->endpoint, right->row->endpoint);
}

static void add(struct top *top, const struct view_destination *destination, const struct view_row *row)
{
    top->item[top->items++] =
        (struct top_item){destination, row, top_track(&top->samples, destination->name, row->endpoint)};
}

static void collect(struct top *top)
{
    size_t room = 1;
    for (uint32_t i = 0; i < top->view->destinations; i++)
        room += top->view->destination[i].rows;
    top->item = take_memory(room, sizeof *top->item);
    for (uint32_t i = 0; i < top->view->destinations; i++) {
        const struct view_destination *destination = &top->view->destination[i];
        if (top->mode == TOP_OVERVIEW && strstr(destination->name, top->filter))
            add(top, destination, &destination->row[0]);
        for (uint32_t r = 1; top->mode == TOP_DETAIL && r < destination->rows; r++)
            if (strcmp(destination->name, top->detail) == 0)
                add(top, destination, &destination->row[r]);
    }
}

static const char *name_of(const struct top *top, const struct top_item *item)
{
    return top->mode == TOP_DETAIL ? item->row->endpoint : item->destination->name;
}

/* The selected line is the same one wherever it has moved, else the line at its place. */
static void reselect(struct top *top)
{
    for (uint32_t i = 0; i < top->items; i++)
        if (strcmp(name_of(top, &top->item[i]), top->selected) == 0)
            top->place = i;
    if (top->place >= top->items)
        top->place = top->items ? top->items - 1 : 0;
    if (top->items)
        copy_text(top->selected, sizeof top->selected, name_of(top, &top->item[top->place]), SEG_LABEL);
}

void top_list(struct top *top)
{
    free(top->item);
    top->item = NULL;
    top->items = 0;
    if (!top->view)
        return;
    collect(top);
    order = top->sort;
    qsort(top->item, top->items, sizeof *top->item, by_order);
    for (uint32_t i = 0; top->reversed && i < top->items / 2; i++) {
        struct top_item other = top->item[i];
        top->item[i] = top->item[top->items - 1 - i];
        top->item[top->items - 1 - i] = other;
    }
    reselect(top);
}
