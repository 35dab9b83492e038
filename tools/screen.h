/* SPDX-License-Identifier: MIT
 * A terminal as a screen of lines: raw input, one write a frame, only the lines that changed; given back as it was on
 * every way out, crashes of this program included. Plain ANSI (ECMA-48), the alternate screen of xterm. One screen at a
 * time. */
#ifndef RESCTL_SCREEN_H
#define RESCTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum style {
    STYLE_PLAIN,
    STYLE_DIM,
    STYLE_BOLD,
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_ADMIN,
    STYLE_SELECTED,
    STYLES
};

enum { SCREEN_ROWS = 500, SCREEN_COLUMNS = 500, LINE_BYTES = SCREEN_COLUMNS * 4 + 512 };

/* What a terminal can show. */
struct screen_kind {
    bool color; /* else bold and reverse only */
    bool plain; /* no escape sequence at all: for files */
    bool utf8;
};

/* One line in the making. */
struct line {
    unsigned width, columns; /* so far; at most */
    size_t used;
    char bytes[LINE_BYTES];
};

struct screen;

/* screen_kind(): as TERM, NO_COLOR and the locale have it. */
struct screen_kind screen_kind(void);

/* screen_open(kind): takes the terminal at stdin and stdout; NULL when that is none that can be steered. */
struct screen *screen_open(const struct screen_kind *kind);
void screen_close(void);

/* screen_resize(screen): asks for the size again and draws anew from here on. */
void screen_resize(struct screen *screen);
unsigned screen_rows(const struct screen *screen);
unsigned screen_columns(const struct screen *screen);
const struct screen_kind *screen_kind_of(const struct screen *screen);

/* screen_line(screen, row): an empty line for the next frame; beyond the last row, one that is not shown. */
struct line *screen_line(struct screen *screen, unsigned row);

/* screen_show(screen): what changed, by one write. False when the terminal is gone. */
bool screen_show(struct screen *screen);

/* screen_forget(screen): the terminal may show anything: the next frame is drawn as a whole. */
void screen_forget(struct screen *screen);

/* screen_pause(screen): gives the terminal back for as long as the program stands still (SIGTSTP); _resume takes it. */
void screen_pause(void);
void screen_resume(struct screen *screen);

/* Appending to a line: text is printable ASCII and cut at the line's end. */
void line_begin(struct line *line, unsigned columns);
void line_put(struct line *line, const char *text);
void line_format(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* line_cell(line, width, right, text): exactly so wide, cut with '~'. */
void line_cell(struct line *line, unsigned width, bool right, const char *text);
/* line_style(line, kind, style): from here on; STYLE_PLAIN ends it. */
void line_style(struct line *line, const struct screen_kind *kind, enum style style);
/* line_fill(line): blanks to the line's end. */
void line_fill(struct line *line);
/* line_sparks(line, kind, values, count): a bar for each value, relative to the greatest; count columns. */
void line_sparks(struct line *line, const struct screen_kind *kind, const double *values, unsigned count);

#endif
