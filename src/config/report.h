/* SPDX-License-Identifier: MIT
 * Errors of the configuration: where, what was found, what was wanted. */
#ifndef RESIL_CONFIG_REPORT_H
#define RESIL_CONFIG_REPORT_H

#include <stdint.h>

#include "config/compile.h"
#include "config/lexer.h"

struct place {
    const char *file;
    uint32_t line; /* 0: the file as a whole */
    uint32_t column;
};

/* report_error(errors, at, subject, message, ...): one line "FILE:LINE:COLUMN: SUBJECT: MESSAGE". */
void report_error(struct config_errors *errors, struct place at, const char *subject, const char *message, ...)
    __attribute__((format(printf, 4, 5)));

/* report_got(errors, at, subject, got, want, ...): the message "got `GOT', want WANT", made printable and bounded. */
void report_got(struct config_errors *errors, struct place at, const char *subject, struct slice got, const char *want,
                ...) __attribute__((format(printf, 5, 6)));

/* report_printable(slice, out, size): slice with bytes that could disturb a terminal as '?', shortened with "...";
 * returns out. */
const char *report_printable(struct slice slice, char *out, size_t size);

/* The candidate that is most like what was written, for "did you mean". */
struct nearest {
    struct slice got;
    const char *name; /* NULL until something was offered that is like it at all */
    unsigned distance;
};
void nearest_offer(struct nearest *nearest, const char *name);

#endif
