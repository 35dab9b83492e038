/* SPDX-License-Identifier: MIT
 * JSON into a list of values, each of which knows what comes behind it. */
#include "document.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct document *document;
    const char *text;
    uint32_t length, at, depth;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char here(const struct reading *reading)
{
    return reading->at < reading->length ? reading->text[reading->at] : '\0';
}

static void skip_blanks(struct reading *reading)
{
    while (reading->at < reading->length && strchr(" \t\r\n", reading->text[reading->at]) &&
           reading->text[reading->at] != '\0')
        reading->at++;
}

static bool take(struct reading *reading, char c)
{
    if (reading->at >= reading->length || reading->text[reading->at] != c)
        return false;
    reading->at++;
    return true;
}

/* Its index, DOCUMENT_NONE without memory. */
static uint32_t add(struct reading *reading, enum document_kind kind, uint32_t begin)
{
    struct document *document = reading->document;
    if (document->values == document->room) {
        uint32_t room = document->room ? 2 * document->room : 64;
        struct document_value *more = realloc(document->value, room * sizeof *more);
        if (!more)
            return DOCUMENT_NONE;
        document->value = more;
        document->room = room;
    }
    document->value[document->values] = (struct document_value){.kind = kind, .begin = begin};
    return document->values++;
}

static bool close_value(struct reading *reading, uint32_t index, uint32_t end)
{
    if (index == DOCUMENT_NONE)
        return false;
    reading->document->value[index].end = end;
    reading->document->value[index].next = reading->document->values;
    return true;
}

/* ---- single values -------------------------------------------------------------------------------- */

/* Four hexadecimal digits, -1: they are not. */
static int32_t hex4(const char *text)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool take_escape(struct reading *reading)
{
    char c = here(reading);
    if (c == 'u') {
        if (reading->length - reading->at < 5 || hex4(reading->text + reading->at + 1) < 0)
            return false;
        reading->at += 5;
        return true;
    }
    if (c == '\0' || !strchr("\"\\/bfnrt", c))
        return false;
    reading->at++;
    return true;
}

static bool read_string(struct reading *reading)
{
    if (!take(reading, '"'))
        return false;
    uint32_t index = add(reading, DOCUMENT_STRING, reading->at);
    while (reading->at < reading->length) {
        unsigned char c = (unsigned char)reading->text[reading->at++];
        if (c == '"')
            return close_value(reading, index, reading->at - 1);
        if (c < 0x20 || (c == '\\' && !take_escape(reading)))
            return false;
    }
    return false;
}

static bool take_digits(struct reading *reading)
{
    uint32_t begin = reading->at;
    while (is_digit(here(reading)))
        reading->at++;
    return reading->at > begin;
}

static bool read_number(struct reading *reading)
{
    uint32_t index = add(reading, DOCUMENT_NUMBER, reading->at);
    take(reading, '-');
    if (!take(reading, '0') && !take_digits(reading))
        return false;
    if (take(reading, '.') && !take_digits(reading))
        return false;
    if (take(reading, 'e') || take(reading, 'E')) {
        if (!take(reading, '+'))
            take(reading, '-');
        if (!take_digits(reading))
            return false;
    }
    return close_value(reading, index, reading->at);
}

static bool read_word(struct reading *reading, const char *word, enum document_kind kind)
{
    size_t length = strlen(word);
    if (reading->length - reading->at < length || memcmp(reading->text + reading->at, word, length) != 0)
        return false;
    uint32_t index = add(reading, kind, reading->at);
    reading->at += (uint32_t)length;
    return close_value(reading, index, reading->at);
}

/* ---- nested ones ---------------------------------------------------------------------------------- */

static bool read_value(struct reading *reading);

static bool read_members(struct reading *reading)
{
    do {
        skip_blanks(reading);
        if (!read_string(reading))
            return false;
        skip_blanks(reading);
        if (!take(reading, ':') || !read_value(reading))
            return false;
    } while (take(reading, ','));
    return true;
}

static bool read_items(struct reading *reading)
{
    do {
        if (!read_value(reading))
            return false;
    } while (take(reading, ','));
    return true;
}

static bool read_container(struct reading *reading, enum document_kind kind, char end)
{
    uint32_t index = add(reading, kind, reading->at++);
    if (++reading->depth > DOCUMENT_DEPTH)
        return false;
    skip_blanks(reading);
    if (!take(reading, end)) {
        if (!(kind == DOCUMENT_OBJECT ? read_members(reading) : read_items(reading)) || !take(reading, end))
            return false;
    }
    reading->depth--;
    return close_value(reading, index, reading->at);
}

/* With the blanks on both sides. */
static bool read_value(struct reading *reading)
{
    bool good;
    skip_blanks(reading);
    switch (here(reading)) {
    case '{':
        good = read_container(reading, DOCUMENT_OBJECT, '}');
        break;
    case '[':
        good = read_container(reading, DOCUMENT_ARRAY, ']');
        break;
    case '"':
        good = read_string(reading);
        break;
    case 't':
        good = read_word(reading, "true", DOCUMENT_TRUE);
        break;
    case 'f':
        good = read_word(reading, "false", DOCUMENT_FALSE);
        break;
    case 'n':
        good = read_word(reading, "null", DOCUMENT_NULL);
        break;
    default:
        good = read_number(reading);
    }
    skip_blanks(reading);
    return good;
}

bool document_read(struct document *document, const char *text, size_t length)
{
    *document = (struct document){.text = text};
    if (length > DOCUMENT_BYTES)
        return false;
    struct reading reading = {.document = document, .text = text, .length = (uint32_t)length};
    if (read_value(&reading) && reading.at == reading.length)
        return true;
    document->values = 0;
    return false;
}

void document_release(struct document *document)
{
    free(document->value);
    *document = (struct document){.text = ""};
}

/* ---- questions ------------------------------------------------------------------------------------ */

bool document_is(const struct document *document, uint32_t value, enum document_kind kind)
{
    return value < document->values && document->value[value].kind == kind;
}

/* Names with escapes are none that anybody asks for. */
static bool is_named(const struct document *document, uint32_t value, const char *name)
{
    const struct document_value *at = &document->value[value];
    size_t length = strlen(name);
    return at->end - at->begin == length && memcmp(document->text + at->begin, name, length) == 0;
}

uint32_t document_member(const struct document *document, uint32_t object, const char *name)
{
    if (!document_is(document, object, DOCUMENT_OBJECT))
        return DOCUMENT_NONE;
    uint32_t end = document->value[object].next;
    for (uint32_t at = object + 1; at < end; at = document->value[at + 1].next)
        if (is_named(document, at, name))
            return at + 1;
    return DOCUMENT_NONE;
}

uint32_t document_first(const struct document *document, uint32_t array)
{
    if (!document_is(document, array, DOCUMENT_ARRAY) || document->value[array].next == array + 1)
        return DOCUMENT_NONE;
    return array + 1;
}

uint32_t document_after(const struct document *document, uint32_t array, uint32_t item)
{
    uint32_t next = document->value[item].next;
    return next < document->value[array].next ? next : DOCUMENT_NONE;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = bytes - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((bytes == 2 ? 0xc0 : bytes == 3 ? 0xe0 : 0xf0) | code);
    return bytes;
}

/* The escape behind the backslash at *at, which is moved behind it. Half a pair of surrogates is U+FFFD. */
static uint32_t read_escape(const char *text, uint32_t *at, uint32_t end)
{
    static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
    char c = text[(*at)++];
    const char *found = strchr(names, c);
    if (c != 'u')
        return found ? (uint32_t)(unsigned char)codes[found - names] : (uint32_t)(unsigned char)c;
    uint32_t code = (uint32_t)hex4(text + *at);
    *at += 4;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code < 0xdc00 && end - *at >= 6 && text[*at] == '\\' && text[*at + 1] == 'u') {
        uint32_t low = (uint32_t)hex4(text + *at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at += 6;
            return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

bool document_text(const struct document *document, uint32_t value, char *out, size_t size)
{
    if (!document_is(document, value, DOCUMENT_STRING))
        return false;
    uint32_t end = document->value[value].end;
    size_t used = 0;
    for (uint32_t at = document->value[value].begin; at < end;) {
        char bytes[4] = {document->text[at++]};
        size_t count = 1;
        if (bytes[0] == '\\')
            count = put_utf8(read_escape(document->text, &at, end), bytes);
        if (bytes[0] == '\0' || used + count >= size)
            return false;
        memcpy(out + used, bytes, count);
        used += count;
    }
    if (size == 0)
        return false;
    out[used] = '\0';
    return true;
}

bool document_integer(const struct document *document, uint32_t value, int64_t *out)
{
    enum { DIGITS = 18 };
    if (!document_is(document, value, DOCUMENT_NUMBER))
        return false;
    uint32_t at = document->value[value].begin, end = document->value[value].end;
    bool negative = document->text[at] == '-';
    int64_t number = 0;
    at += negative;
    if (end - at > DIGITS)
        return false;
    for (; at < end; at++) {
        if (!is_digit(document->text[at]))
            return false;
        number = number * 10 + (document->text[at] - '0');
    }
    *out = negative ? -number : number;
    return true;
}
