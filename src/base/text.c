/* SPDX-License-Identifier: MIT
 * Bounded text: a formatter with the few conversions that messages need, a glob and an edit distance.
 * They stand in for stdio and fnmatch, which the host program may have replaced or be inside of. */
#include "base/text.h"

#include <string.h>

enum { DISTANCE_MAX = 63, DISTANCE_FAR = 1000 };

struct sink {
    char *out;
    size_t size;
    size_t used;
};

static void put(struct sink *sink, char c)
{
    if (sink->used + 1 < sink->size)
        sink->out[sink->used++] = c;
}

static void put_text(struct sink *sink, const char *text, size_t limit)
{
    if (!text)
        text = "(null)";
    for (; limit && *text; limit--, text++)
        put(sink, *text);
}

static void put_number(struct sink *sink, uint64_t value, unsigned base)
{
    char digits[24];
    unsigned used = 0;
    do
        digits[used++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (used)
        put(sink, digits[--used]);
}

static void put_signed(struct sink *sink, int64_t value)
{
    if (value < 0)
        put(sink, '-');
    put_number(sink, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

static size_t finish(struct sink *sink)
{
    if (sink->size)
        sink->out[sink->used] = '\0';
    return sink->used;
}

size_t text_copy(char *out, size_t size, const char *text)
{
    struct sink sink = {out, size, 0};
    put_text(&sink, text, SIZE_MAX);
    return finish(&sink);
}

size_t text_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = text_vformat(out, size, format, args);
    va_end(args);
    return used;
}

/* The conversion that begins at *format, which is left behind it. args is the caller's own copy: the address
 * of a va_list parameter would have another type where va_list is an array. */
static void put_conversion(struct sink *sink, const char **format, va_list *args)
{
    size_t limit = SIZE_MAX;
    unsigned longs = 0;
    const char *at = *format;
    if (at[0] == '.' && at[1] == '*') {
        int precision = va_arg(*args, int);
        limit = precision < 0 ? SIZE_MAX : (size_t)precision;
        at += 2;
    }
    for (; *at == 'l'; at++)
        longs++;
    switch (*at) {
    case 's':
        put_text(sink, va_arg(*args, const char *), limit);
        break;
    case 'c':
        put(sink, (char)va_arg(*args, int));
        break;
    case 'd':
        put_signed(sink, longs > 1 ? va_arg(*args, long long) : longs ? va_arg(*args, long) : va_arg(*args, int));
        break;
    case 'u':
    case 'x':
        put_number(sink,
                   longs > 1 ? va_arg(*args, unsigned long long)
                   : longs   ? va_arg(*args, unsigned long)
                             : va_arg(*args, unsigned),
                   *at == 'x' ? 16 : 10);
        break;
    case '%':
        put(sink, '%');
        break;
    default: /* not a conversion of ours: shown as it stands, nothing consumed */
        put(sink, '%');
        return;
    }
    *format = at + 1;
}

size_t text_vformat(char *out, size_t size, const char *format, va_list args)
{
    struct sink sink = {out, size, 0};
    va_list own;
    va_copy(own, args);
    while (*format) {
        char c = *format++;
        if (c == '%')
            put_conversion(&sink, &format, &own);
        else
            put(&sink, c);
    }
    va_end(own);
    return finish(&sink);
}

bool text_glob(const char *pattern, const char *text)
{
    const char *star = NULL; /* what follows the last '*', and where it was tried in the text */
    const char *tried = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            tried = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++tried;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment with three rolling rows. */
unsigned text_distance(const char *a, size_t a_length, const char *b)
{
    size_t b_length = strlen(b);
    if (a_length > DISTANCE_MAX || b_length > DISTANCE_MAX)
        return DISTANCE_FAR;
    unsigned rows[3][DISTANCE_MAX + 1] = {{0}};
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}
