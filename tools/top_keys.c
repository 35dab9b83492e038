/* SPDX-License-Identifier: MIT
 * What keys do. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "print.h"
#include "top.h"

enum top_key {
#define TOPKEY(id, typed, key, text) KEY_OF_##id,
#include "top_keys.tbl.h"
    KEYS,
    KEY_OF_PAGE_UP,
    KEY_OF_PAGE_DOWN,
    KEY_OF_HOME,
    KEY_OF_END
};

enum { ESCAPE = 27, BACKSPACE = 8, DELETE = 127, KILL = 21 };

/* What terminals send for keys without a sign of their own. */
static const struct {
    const char *bytes;
    int key;
} sequences[] = {
    {"\033[A", KEY_OF_UP},       {"\033OA", KEY_OF_UP},    {"\033[B", KEY_OF_DOWN},       {"\033OB", KEY_OF_DOWN},
    {"\033[C", KEY_OF_ENTER},    {"\033OC", KEY_OF_ENTER}, {"\033[D", KEY_OF_BACK},       {"\033OD", KEY_OF_BACK},
    {"\033[5~", KEY_OF_PAGE_UP}, {"\033[H", KEY_OF_HOME},  {"\033[6~", KEY_OF_PAGE_DOWN}, {"\033[F", KEY_OF_END},
    {"\033[1~", KEY_OF_HOME},    {"\033OH", KEY_OF_HOME},  {"\033[4~", KEY_OF_END},       {"\033OF", KEY_OF_END},
};

/* The key at the beginning, and how many bytes it takes; -1: none that means anything. An unknown sequence is passed
 * over as a whole, so that its letters are not taken for keys. */
static int read_key(const char *bytes, size_t count, size_t *taken)
{
    static const char *const typed[] = {
#define TOPKEY(id, typed, key, text) typed,
#include "top_keys.tbl.h"
    };
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        *taken = strlen(sequences[i].bytes);
        if (*taken <= count && memcmp(sequences[i].bytes, bytes, *taken) == 0)
            return sequences[i].key;
    }
    if (bytes[0] == ESCAPE && count > 1 && (bytes[1] == '[' || bytes[1] == 'O')) {
        for (*taken = 2; *taken < count && (bytes[*taken] < '@' || bytes[*taken] > '~'); ++*taken)
            ;
        *taken += *taken < count;
        return -1;
    }
    *taken = 1;
    if (bytes[0] == '\n')
        return KEY_OF_ENTER;
    for (int key = 0; key < KEYS; key++)
        if (bytes[0] == typed[key][0])
            return key;
    return -1;
}

static void select_place(struct top *top, int64_t place)
{
    place = place >= (int64_t)top->items ? (int64_t)top->items - 1 : place;
    top->place = place > 0 ? (unsigned)place : 0;
    top->selected[0] = '\0';
    top_list(top);
}

static void look_into(struct top *top)
{
    if (top->mode != TOP_OVERVIEW || top->place >= top->items)
        return;
    copy_text(top->detail, sizeof top->detail, top->item[top->place].destination->name, sizeof top->detail);
    top->mode = TOP_DETAIL;
    select_place(top, 0);
}

static void go_back(struct top *top)
{
    if (top->mode == TOP_HELP) {
        top->mode = top->before_help;
        top_list(top);
    } else if (top->mode == TOP_DETAIL) {
        top->mode = TOP_OVERVIEW;
        copy_text(top->selected, sizeof top->selected, top->detail, sizeof top->detail);
        top_list(top);
    } else {
        top->filter[0] = '\0';
        top_list(top);
    }
}

static void ask(struct top *top, const char *command)
{
    if (top->mode == TOP_HELP || top->place >= top->items)
        return;
    const struct top_item *item = &top->item[top->place];
    if (!command_find(command)) {
        snprintf(top->note, sizeof top->note, "this resctl has no command `%s'", command);
        return;
    }
    if (top->mode == TOP_DETAIL)
        snprintf(top->target, sizeof top->target, "%s/%s", item->destination->name, item->row->endpoint);
    else
        snprintf(top->target, sizeof top->target, "%s", item->destination->name);
    top->command = command;
    top->input = INPUT_CONFIRM;
}

static void change_interval(struct top *top, bool faster)
{
    int64_t least = 100 * NS_PER_MS, most = 3600 * NS_PER_S;
    int64_t changed = faster ? top->interval_ns / 2 : top->interval_ns * 2;
    top->interval_ns = changed < least ? least : changed > most ? most : changed;
}

static void do_move(struct top *top, int key)
{
    int64_t place = top->place, page = top->page;
    switch (key) {
    case KEY_OF_UP:
        select_place(top, place - 1);
        break;
    case KEY_OF_DOWN:
        select_place(top, place + 1);
        break;
    case KEY_OF_PAGE_UP:
        select_place(top, place - page);
        break;
    case KEY_OF_PAGE_DOWN:
        select_place(top, place + page);
        break;
    case KEY_OF_HOME:
        select_place(top, 0);
        break;
    case KEY_OF_END:
        select_place(top, top->items);
        break;
    default:
        break;
    }
}

static void do_key(struct top *top, int key)
{
    switch (key) {
    case KEY_OF_ENTER:
        look_into(top);
        break;
    case KEY_OF_BACK:
        go_back(top);
        break;
    case KEY_OF_SORT:
        top->sort = (enum top_sort)((top->sort + 1) % SORTS);
        top_list(top);
        break;
    case KEY_OF_REVERSE:
        top->reversed = !top->reversed;
        top_list(top);
        break;
    case KEY_OF_FILTER:
        if (top->mode == TOP_OVERVIEW) {
            memcpy(top->typed, top->filter, sizeof top->typed);
            top->input = INPUT_FILTER;
        }
        break;
    case KEY_OF_PAUSE:
        top->paused = !top->paused;
        break;
    case KEY_OF_FASTER:
    case KEY_OF_SLOWER:
        change_interval(top, key == KEY_OF_FASTER);
        break;
    case KEY_OF_TRIP:
        ask(top, "trip");
        break;
    case KEY_OF_RESET:
        ask(top, "reset");
        break;
    case KEY_OF_DRAIN:
        ask(top, "drain");
        break;
    case KEY_OF_HELP:
        if (top->mode != TOP_HELP)
            top->before_help = top->mode;
        top->mode = TOP_HELP;
        break;
    case KEY_OF_QUIT:
        top->quit = true;
        break;
    default:
        do_move(top, key);
        break;
    }
}

static void type_filter(struct top *top, char c)
{
    size_t length = strlen(top->typed);
    if (c == '\r' || c == '\n') {
        memcpy(top->filter, top->typed, sizeof top->filter);
        top->input = INPUT_KEYS;
        top->place = 0;
        top_list(top);
    } else if (c == ESCAPE) {
        top->input = INPUT_KEYS;
    } else if ((c == BACKSPACE || c == DELETE) && length) {
        top->typed[length - 1] = '\0';
    } else if (c == KILL) {
        top->typed[0] = '\0';
    } else if (c > ' ' && c < DELETE && length + 1 < sizeof top->typed) {
        top->typed[length] = c;
        top->typed[length + 1] = '\0';
    }
}

void top_keys(struct top *top, const char *bytes, size_t count)
{
    top->note[0] = '\0';
    while (count && !top->quit) {
        size_t taken = 1;
        if (top->input == INPUT_FILTER) {
            type_filter(top, *bytes);
        } else if (top->input == INPUT_CONFIRM) {
            top->input = INPUT_KEYS;
            if (*bytes == 'y' || *bytes == 'Y')
                top_act(top);
            return;
        } else {
            do_key(top, read_key(bytes, count, &taken));
            if (top->input == INPUT_CONFIRM)
                return; /* nobody has seen the question yet that the next byte would answer */
        }
        bytes += taken;
        count -= taken;
    }
}
