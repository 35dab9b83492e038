/* SPDX-License-Identifier: MIT
 * Bounded text without stdio, locale or allocation. Any thread; signal safe. */
#ifndef RESIL_BASE_TEXT_H
#define RESIL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* text_copy(out, size, text): copies with truncation and a NUL always; returns the length written. */
size_t text_copy(char *out, size_t size, const char *text);

/* text_format(out, size, format, ...): %s %c %d %u %x %lld %llu %% (and %.*s); truncates, always ends with NUL,
 * returns the length written. */
size_t text_format(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_vformat(char *out, size_t size, const char *format, va_list args);

/* text_glob(pattern, text): '*' any run, '?' one byte, everything else itself. Linear in practice: at
 * most one level of backtracking. */
bool text_glob(const char *pattern, const char *text);

/* text_distance(a, a_length, b): edits (insert, delete, replace, swap of neighbours) between them, for
 * "did you mean"; lengths over 63 bytes give a large number. */
unsigned text_distance(const char *a, size_t a_length, const char *b);

#endif
