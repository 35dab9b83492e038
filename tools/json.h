/* SPDX-License-Identifier: MIT
 * A streaming JSON writer: commas, nesting and escaping are its business. Values are named inside objects
 * and bear NULL as their name inside arrays and at the top. */
#ifndef RESCTL_JSON_H
#define RESCTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH = 16 };

struct json {
    FILE *out;
    unsigned depth;
    bool filled[JSON_DEPTH]; /* something stands at this level already */
    char closer[JSON_DEPTH];
};

void json_object(struct json *json, const char *name); /* opens */
void json_array(struct json *json, const char *name);  /* opens */
void json_close(struct json *json);                    /* the innermost; a line end after the outermost */

/* Bytes that are no UTF-8 come out as U+FFFD; control characters as \u00NN. text == NULL is null. */
void json_text(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, uint64_t value);
void json_signed(struct json *json, const char *name, int64_t value);
void json_real(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);

/* json_utf8_length(text): bytes of the UTF-8 sequence of more than one byte at text that may be printed as it is; 0:
 * there is none. Reads nothing behind a NUL. */
unsigned json_utf8_length(const char *text);

#endif
