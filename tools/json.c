/* SPDX-License-Identifier: MIT
 * The JSON writer. */
#include "json.h"

#include <inttypes.h>

/* Length of the UTF-8 sequence at text that may be printed as it is, 0 when there is none: overlong forms,
 * surrogates and the C1 controls are refused. */
unsigned json_utf8_length(const char *bytes)
{
    const unsigned char *text = (const unsigned char *)bytes;
    unsigned char c = text[0];
    unsigned length = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    for (unsigned i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) /* a NUL fails here, so nothing behind the end is read */
            return 0;
    if (length == 0 || (c == 0xc2 && text[1] < 0xa0) || (c == 0xe0 && text[1] < 0xa0) ||
        (c == 0xed && text[1] > 0x9f) || (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static void write_quoted(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    fputc('"', out);
    while (*p) {
        unsigned length = json_utf8_length((const char *)p);
        if (length) {
            fwrite(p, 1, length, out);
            p += length;
            continue;
        }
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p >= 0x20 && *p < 0x7f)
            fputc(*p, out);
        else
            fprintf(out, "\\u%04x", *p < 0x80 ? *p : 0xfffdu);
        p++;
    }
    fputc('"', out);
}

static void begin_value(struct json *json, const char *name)
{
    if (json->filled[json->depth])
        fputc(',', json->out);
    json->filled[json->depth] = true;
    if (name) {
        write_quoted(json->out, name);
        fputc(':', json->out);
    }
}

static void open_level(struct json *json, const char *name, char opener, char closer)
{
    begin_value(json, name);
    fputc(opener, json->out);
    if (json->depth + 1 < JSON_DEPTH)
        json->depth++;
    json->filled[json->depth] = false;
    json->closer[json->depth] = closer;
}

void json_object(struct json *json, const char *name)
{
    open_level(json, name, '{', '}');
}

void json_array(struct json *json, const char *name)
{
    open_level(json, name, '[', ']');
}

void json_close(struct json *json)
{
    fputc(json->closer[json->depth], json->out);
    if (--json->depth == 0) {
        fputc('\n', json->out);
        json->filled[0] = false;
    }
}

void json_text(struct json *json, const char *name, const char *text)
{
    if (!text) {
        json_null(json, name);
        return;
    }
    begin_value(json, name);
    write_quoted(json->out, text);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void json_signed(struct json *json, const char *name, int64_t value)
{
    begin_value(json, name);
    fprintf(json->out, "%" PRId64, value);
}

void json_real(struct json *json, const char *name, double value)
{
    begin_value(json, name);
    fprintf(json->out, "%.9g", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_value(json, name);
    fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name)
{
    begin_value(json, name);
    fputs("null", json->out);
}
