/* SPDX-License-Identifier: MIT
 * One error line at a time into a bounded text; the count goes on when the text is full. */
#include "config/report.h"

#include <string.h>

#include "base/text.h"

enum { SHOWN_BYTES = 64, WANT_BYTES = 256, DISTANCE_LIMIT = 64 };

static void __attribute__((format(printf, 2, 3))) append(struct config_errors *errors, const char *format, ...)
{
    if (!errors->text || errors->used >= errors->size)
        return;
    va_list args;
    va_start(args, format);
    errors->used += text_vformat(errors->text + errors->used, errors->size - errors->used, format, args);
    va_end(args);
}

/* "FILE:LINE:COLUMN: SUBJECT: " on a line of its own. */
static void begin_line(struct config_errors *errors, struct place at, const char *subject)
{
    if (errors->count++)
        append(errors, "\n");
    append(errors, "%s:", at.file);
    if (at.line)
        append(errors, "%u:%u:", at.line, at.column);
    append(errors, " ");
    if (subject)
        append(errors, "%s: ", subject);
}

void report_error(struct config_errors *errors, struct place at, const char *subject, const char *message, ...)
{
    char text[WANT_BYTES];
    va_list args;
    va_start(args, message);
    text_vformat(text, sizeof text, message, args);
    va_end(args);
    begin_line(errors, at, subject);
    append(errors, "%s", text);
}

void report_got(struct config_errors *errors, struct place at, const char *subject, struct slice got, const char *want,
                ...)
{
    char text[WANT_BYTES], shown[SHOWN_BYTES];
    va_list args;
    va_start(args, want);
    text_vformat(text, sizeof text, want, args);
    va_end(args);
    begin_line(errors, at, subject);
    append(errors, "got `%s', want %s", report_printable(got, shown, sizeof shown), text);
}

const char *report_printable(struct slice slice, char *out, size_t size)
{
    size_t used = 0;
    bool whole = slice.length < size;
    size_t limit = whole ? slice.length : size - sizeof "...";
    for (; used < limit; used++) {
        char c = slice.text[used];
        out[used] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    text_copy(out + used, size - used, whole ? "" : "...");
    return out;
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    unsigned distance = text_distance(nearest->got.text, nearest->got.length, name);
    if (distance < DISTANCE_LIMIT && (!nearest->name || distance < nearest->distance)) {
        nearest->name = name;
        nearest->distance = distance;
    }
}
