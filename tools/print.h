/* SPDX-License-Identifier: MIT
 * Text for people: complaints, foreign text made harmless, times and durations. */
#ifndef RESCTL_PRINT_H
#define RESCTL_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* complain(format, ...): one line "resctl: ..." on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* finish_output(): flushes stdout; RESCTL_OK, or RESCTL_SYSTEM with a complaint when something was not written. */
int finish_output(void);

/* take_memory(count, size): zeroed memory; ends the program with RESCTL_SYSTEM when there is none. */
void *take_memory(size_t count, size_t size);

/* copy_text(out, out_size, text, text_size): the text of a field that may lack its NUL; cut to fit; returns out. */
char *copy_text(char *out, size_t out_size, const char *text, size_t text_size);

/* Escaping makes a byte at most four; this is room for any field of n bytes. */
#define ESCAPED(n) ((n)*4 + 1)

/* escape_text(out, size, text): text with everything that is not printable ASCII as \xNN, so that names of a hostile
 * segment cannot steer the terminal; returns out. */
char *escape_text(char *out, size_t size, const char *text);

enum { TIME_TEXT = 40, DURATION_TEXT = 32 };

/* format_time(out, wall_ns): "2026-01-31T12:00:00.123Z" in UTC; out has TIME_TEXT bytes and is returned. */
char *format_time(char *out, uint64_t wall_ns);

/* format_rough(out, us): a duration in three digits or so: "850us" "12ms" "1.2s" "3m10s"; out has DURATION_TEXT bytes
 * and is returned. */
char *format_rough(char *out, uint64_t us);

#endif
