/* SPDX-License-Identifier: MIT
 * Asking every question of every destination. */
#include "hints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "config/compile.h"
#include "config/emit.h"
#include "print.h"

static struct hint *next_hint(struct hints *hints)
{
    if (hints->count == hints->room) {
        size_t room = hints->room ? 2 * hints->room : 16;
        struct hint *grown = take_memory(room, sizeof *grown);
        if (hints->count)
            memcpy(grown, hints->item, hints->count * sizeof *grown);
        free(hints->item);
        hints->item = grown;
        hints->room = room;
    }
    return &hints->item[hints->count++];
}

static struct hint *begin(const struct hint_asked *asked, const char *file, uint32_t line)
{
    struct hint *hint = next_hint(asked->hints);
    hint->id = asked->id;
    hint->line = line;
    snprintf(hint->destination, sizeof hint->destination, "%s", asked->section->name);
    snprintf(hint->file, sizeof hint->file, "%s", file);
    return hint;
}

void hint_say(struct hint_asked *asked, int key, const char *format, ...)
{
    struct place place = asked->section->origin.place;
    struct emit_origin from = {.section = NULL};
    va_list args;
    if (key >= 0)
        emit_origin(asked->model, asked->index, key, &from);
    if (from.section && from.origin.layer != LAYER_BUILTIN)
        place = from.origin.place;
    struct hint *hint = begin(asked, place.file, place.line);
    va_start(args, format);
    vsnprintf(hint->text, sizeof hint->text, format, args);
    va_end(args);
}

void hint_say_at(struct hint_asked *asked, const char *file, uint32_t line, const char *format, ...)
{
    struct hint *hint = begin(asked, file, line);
    va_list args;
    va_start(args, format);
    vsnprintf(hint->text, sizeof hint->text, format, args);
    va_end(args);
}

enum { TEXTS = 4 };

static char *next_text(size_t *size)
{
    static char texts[TEXTS][160];
    static unsigned turn;
    *size = sizeof texts[0];
    return texts[turn++ % TEXTS];
}

const char *hint_value(const struct hint_asked *asked, int key)
{
    size_t size;
    char *text = next_text(&size);
    return config_format_value(key, ((const int64_t *)asked->conf)[key], text, size);
}

const char *hint_time(int64_t ns)
{
    size_t size;
    char *text = next_text(&size);
    return format_duration(ns, text, size);
}

bool hint_breaker_is_on(const struct conf *conf)
{
    return conf->breaker_failures > 0 || conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0 ||
           conf->breaker_slow_time_ns > 0;
}

void hints_gather(struct hints *hints, const struct model *model, const struct rules *rules)
{
    static const struct {
        const char *id;
        void (*ask)(struct hint_asked *asked);
    } questions[] = {
#define HINT(id, text) {#id, hint_##id},
#include "hints.tbl.h"
    };
    const struct section *section = model->sections[SECTION_DESTINATION].first;
    for (; section; section = section->next) {
        struct hint_asked asked = {.model = model, .rules = rules, .section = section, .hints = hints};
        asked.index = section->index;
        asked.conf = &rules_destination(rules, section->index)->conf;
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            asked.id = questions[i].id;
            questions[i].ask(&asked);
        }
    }
}

void hints_release(struct hints *hints)
{
    free(hints->item);
    *hints = (struct hints){.item = NULL};
}
