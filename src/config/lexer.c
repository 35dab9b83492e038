/* SPDX-License-Identifier: MIT
 * Lines and pieces. One pass finds the end of a line, its comment, its quotes and the bytes that have no
 * business in a text, so that no two of them can disagree on where a quote ends. */
#include "config/lexer.h"

#include <string.h>

#define BLANKS     " \t"
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

enum { NAME_BYTES_MAX = 63 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

struct reader reader_start(const char *text, size_t length, bool semicolons)
{
    bool marked = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    return (struct reader){text, length, marked ? 3 : 0, 0, semicolons};
}

static void set_bad(struct line *line, struct slice bad, const char *want)
{
    if (line->want)
        return;
    line->bad = bad;
    line->want = want;
}

bool reader_next(struct reader *reader, struct line *line)
{
    if (reader->at >= reader->length)
        return false;
    const char *text = reader->text + reader->at;
    struct slice rest = {text, reader->length - reader->at, 1};
    size_t end = 0, quote = 0;
    size_t body_end = SIZE_MAX; /* where a comment begins */
    bool quoted = false;
    *line = (struct line){.number = ++reader->line};
    for (; end < rest.length && text[end] != '\n'; end++) {
        char c = text[end];
        if (c == ';' && reader->semicolons && !quoted)
            break;
        if (c == '\r' && (end + 1 == rest.length || text[end + 1] == '\n')) {
            body_end = body_end < end ? body_end : end;
        } else if (is_control(c)) {
            set_bad(line, slice_from(rest, end, end + 1), "text without control characters");
        } else if (body_end != SIZE_MAX) {
            continue;
        } else if (c == '"') {
            quoted = !quoted;
            quote = end;
        } else if (c == '#' && !quoted && (end == 0 || is_blank(text[end - 1]))) {
            body_end = end;
        }
    }
    if (quoted)
        set_bad(line, slice_from(rest, quote, end), "a closing quotation mark");
    line->body = slice_trim(slice_from(rest, 0, body_end < end ? body_end : end));
    reader->at += end + (end < rest.length);
    return true;
}

bool slice_is(struct slice slice, const char *text)
{
    return slice.length == strlen(text) && memcmp(slice.text, text, slice.length) == 0;
}

bool slice_is_name(struct slice slice)
{
    if (slice.length == 0 || slice.length > NAME_BYTES_MAX)
        return false;
    for (size_t at = 0; at < slice.length; at++)
        if (!memchr(NAME_BYTES, slice.text[at], sizeof NAME_BYTES - 1))
            return false;
    return true;
}

struct slice slice_from(struct slice slice, size_t begin, size_t end)
{
    return (struct slice){slice.text + begin, end - begin, slice.column + (uint32_t)begin};
}

struct slice slice_trim(struct slice slice)
{
    size_t begin = 0, end = slice.length;
    while (begin < end && is_blank(slice.text[begin]))
        begin++;
    while (end > begin && is_blank(slice.text[end - 1]))
        end--;
    return slice_from(slice, begin, end);
}

size_t slice_find(struct slice slice, const char *separators)
{
    bool quoted = false;
    for (size_t at = 0; at < slice.length; at++) {
        if (slice.text[at] == '"')
            quoted = !quoted;
        else if (!quoted && slice.text[at] && strchr(separators, slice.text[at]))
            return at;
    }
    return slice.length;
}

bool slice_cut(struct slice *rest, const char *separators, struct slice *piece)
{
    if (!rest->text)
        return false;
    size_t end = slice_find(*rest, separators);
    *piece = slice_trim(slice_from(*rest, 0, end));
    if (end < rest->length)
        *rest = slice_from(*rest, end + 1, rest->length);
    else
        *rest = (struct slice){0};
    return true;
}

bool slice_word(struct slice *rest, struct slice *word)
{
    while (slice_cut(rest, BLANKS, word))
        if (word->length)
            return true;
    return false;
}

struct slice slice_unquote(struct arena *arena, struct slice slice)
{
    if (!memchr(slice.text, '"', slice.length))
        return slice;
    char *out = arena_alloc(arena, slice.length + 1);
    size_t used = 0;
    for (size_t at = 0; out && at < slice.length; at++)
        if (slice.text[at] != '"')
            out[used++] = slice.text[at];
    return (struct slice){out ? out : "", used, slice.column + (slice.text[0] == '"')};
}
