/* SPDX-License-Identifier: MIT
 * Lines: bytes with a known width. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "screen.h"

void line_begin(struct line *line, unsigned columns)
{
    line->width = 0;
    line->columns = columns;
    line->used = 0;
    line->bytes[0] = '\0';
}

static void add(struct line *line, const char *bytes, size_t length)
{
    if (line->used + length >= sizeof line->bytes)
        return;
    memcpy(line->bytes + line->used, bytes, length);
    line->used += length;
    line->bytes[line->used] = '\0';
}

void line_put(struct line *line, const char *text)
{
    size_t length = strlen(text), room = line->columns - line->width;
    length = length < room ? length : room;
    add(line, text, length);
    line->width += (unsigned)length;
}

void line_format(struct line *line, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line_put(line, text);
}

void line_cell(struct line *line, unsigned width, bool right, const char *text)
{
    char cell[SCREEN_COLUMNS + 1];
    size_t length = strlen(text);
    if (width > SCREEN_COLUMNS)
        width = SCREEN_COLUMNS;
    if (length > width && width > 0) {
        memcpy(cell, text, width - 1);
        cell[width - 1] = '~';
    } else {
        memset(cell, ' ', width);
        memcpy(cell + (right ? width - length : 0), text, length);
    }
    cell[width] = '\0';
    line_put(line, cell);
}

void line_style(struct line *line, const struct screen_kind *kind, enum style style)
{
    static const char *const colored[STYLES] = {
        [STYLE_PLAIN] = "\033[0m",  [STYLE_DIM] = "\033[2m",     [STYLE_BOLD] = "\033[1m",
        [STYLE_GOOD] = "\033[32m",  [STYLE_WARN] = "\033[33m",   [STYLE_BAD] = "\033[1;31m",
        [STYLE_ADMIN] = "\033[35m", [STYLE_SELECTED] = "\033[7m"};
    static const char *const uncolored[STYLES] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_DIM] = "",        [STYLE_BOLD] = "\033[1m",  [STYLE_GOOD] = "",
        [STYLE_WARN] = "\033[1m",  [STYLE_BAD] = "\033[1m", [STYLE_ADMIN] = "\033[1m", [STYLE_SELECTED] = "\033[7m"};
    const char *bytes = kind->color ? colored[style] : uncolored[style];
    if (!kind->plain)
        add(line, bytes, strlen(bytes));
}

void line_fill(struct line *line)
{
    while (line->width < line->columns)
        line_put(line, " ");
}

/* Eighths of a block, or what is as heavy in ASCII; nothing at all is a blank. */
void line_sparks(struct line *line, const struct screen_kind *kind, const double *values, unsigned count)
{
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
    double most = 0;
    for (unsigned i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (unsigned i = 0; i < count && line->width < line->columns; i++) {
        unsigned height = values[i] > 0 && most > 0 ? (unsigned)(values[i] / most * 8 + 0.999) : 0;
        const char *bar = (kind->utf8 ? blocks : signs)[height < 8 ? height : 8];
        add(line, bar, strlen(bar));
        line->width++;
    }
}
