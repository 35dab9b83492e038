/* SPDX-License-Identifier: MIT
 * Hints: rules that are legal and probably not meant. */
#ifndef RESCTL_HINTS_H
#define RESCTL_HINTS_H

#include <stddef.h>

#include "config/model.h"
#include "config/rules.h"

enum { HINT_TEXT = 320, HINT_FILE = 512 };

struct hint {
    const char *id;
    char destination[64];
    char file[HINT_FILE]; /* where the value in question stands, or else the destination */
    uint32_t line;
    char text[HINT_TEXT];
};

struct hints {
    struct hint *item; /* destination by destination */
    size_t count, room;
};

/* hints_gather(hints, model, rules): all of them, from within settings_visit(). For hints_release(). */
void hints_gather(struct hints *hints, const struct model *model, const struct rules *rules);
void hints_release(struct hints *hints);

/* What one question is about. */
struct hint_asked {
    const struct model *model;
    const struct rules *rules;
    uint32_t index; /* of the destination */
    const struct section *section;
    const struct conf *conf;
    struct hints *hints;
    const char *id;
};

/* hint_say(asked, key, format, ...): a hint. key: whose place is shown, or -1: the destination's. */
void hint_say(struct hint_asked *asked, int key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* hint_say_at(asked, file, line, format, ...): likewise, at a place of its own. */
void hint_say_at(struct hint_asked *asked, const char *file, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* hint_value(asked, key): the value as text, in one of a few buffers that take turns. */
const char *hint_value(const struct hint_asked *asked, int key);
/* hint_time(ns): likewise, a duration. */
const char *hint_time(int64_t ns);

/* Whether any of its trips is on. */
bool hint_breaker_is_on(const struct conf *conf);

#define HINT(id, text) void hint_##id(struct hint_asked *asked);
#include "hints.tbl.h"

#endif
