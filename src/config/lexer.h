/* SPDX-License-Identifier: MIT
 * Text -> lines -> pieces, with the column of each. Knows quotes, comments and line ends, and nothing of
 * keys. Pure; never allocates, except for unquoting. */
#ifndef RESIL_CONFIG_LEXER_H
#define RESIL_CONFIG_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/arena.h"

/* A piece of a line, not ended by NUL; column counts bytes from 1. */
struct slice {
    const char *text;
    size_t length;
    uint32_t column;
};

struct reader {
    const char *text;
    size_t length;
    size_t at;
    uint32_t line;   /* number of the line last read */
    bool semicolons; /* ';' outside quotes ends a line */
};

struct line {
    struct slice body; /* without comment and outer blanks */
    uint32_t number;
    struct slice bad; /* what makes the line unreadable, when want is set */
    const char *want; /* NULL: the line can be read */
};

/* reader_start(text, length, semicolons): a reader at the first line, behind a byte order mark. */
struct reader reader_start(const char *text, size_t length, bool semicolons);

/* reader_next(reader, line): false at the end of the text. */
bool reader_next(struct reader *reader, struct line *line);

bool slice_is(struct slice slice, const char *text);
bool slice_is_name(struct slice slice); /* [A-Za-z0-9_.-]{1,63}: of a destination or a preset */
struct slice slice_from(struct slice slice, size_t begin, size_t end); /* bytes [begin, end) of slice */
struct slice slice_trim(struct slice slice);                           /* without outer blanks */

/* slice_find(slice, separators): index of the first unquoted byte that is one of separators, or the length. */
size_t slice_find(struct slice slice, const char *separators);

/* slice_cut(rest, separators, piece): the next piece of *rest, which is left behind its separator; trimmed. False
 * when nothing is left; a separator at the end leaves one last, empty piece. */
bool slice_cut(struct slice *rest, const char *separators, struct slice *piece);

/* slice_word(rest, word): the next word between unquoted blanks; false when only blanks are left. */
bool slice_word(struct slice *rest, struct slice *word);

/* slice_unquote(arena, slice): slice without its quotation marks, in the arena where it had any. */
struct slice slice_unquote(struct arena *arena, struct slice slice);

#endif
