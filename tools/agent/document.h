/* SPDX-License-Identifier: MIT
 * A JSON text (RFC 8259) that somebody else wrote: checked as a whole first, then asked for its parts.
 *
 * Strict: one value, no comments, no trailing commas, no control characters in strings, whole escapes. Depth and size
 * are bounded, so that hostile text costs no more than its length. Not for two threads on one document; allocates.
 */
#ifndef RESCTL_AGENT_DOCUMENT_H
#define RESCTL_AGENT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DOCUMENT_DEPTH = 64, DOCUMENT_BYTES = 1 << 24 };
#define DOCUMENT_NONE UINT32_MAX

enum document_kind {
    DOCUMENT_OBJECT,
    DOCUMENT_ARRAY,
    DOCUMENT_STRING,
    DOCUMENT_NUMBER,
    DOCUMENT_TRUE,
    DOCUMENT_FALSE,
    DOCUMENT_NULL
};

/* A value; of an object's members, first the name and then the value. */
struct document_value {
    enum document_kind kind;
    uint32_t begin, end; /* its text; of a string without the quotation marks */
    uint32_t next;       /* the value behind it, with all that it contains */
};

struct document {
    const char *text; /* the caller's, while the document is used */
    struct document_value *value;
    uint32_t values, room;
};

/* document_read(document, text, length): false when it is no JSON, too deep or too long. document_release() either way.
 * Value 0 is the whole. */
bool document_read(struct document *document, const char *text, size_t length);
void document_release(struct document *document);

/* document_member(document, object, name): the first member of that name, DOCUMENT_NONE when there is none or `object`
 * is none or DOCUMENT_NONE itself: questions can be nested. */
uint32_t document_member(const struct document *document, uint32_t object, const char *name);

/* for (uint32_t item = document_first(document, array); item != DOCUMENT_NONE; item = document_after(document, array,
 * item)): the items of an array; of nothing when it is none. */
uint32_t document_first(const struct document *document, uint32_t array);
uint32_t document_after(const struct document *document, uint32_t array, uint32_t item);

/* document_is(document, value, kind): false of DOCUMENT_NONE, too. */
bool document_is(const struct document *document, uint32_t value, enum document_kind kind);

/* document_text(document, value, out, size): a string, in UTF-8; false when it is none, holds a NUL or does not fit.
 * document_integer(document, value, out): a number without fraction and exponent of at most 18 digits. */
bool document_text(const struct document *document, uint32_t value, char *out, size_t size);
bool document_integer(const struct document *document, uint32_t value, int64_t *out);

#endif
