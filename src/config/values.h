/* SPDX-License-Identifier: MIT
 * Values of several parts: retry.jitter, retry.budget, and timeouts that may be auto(...). Pure; any thread. */
#ifndef RESIL_CONFIG_VALUES_H
#define RESIL_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False without touching *value on anything that is not legal. The formats are the inverse; out is returned. */
bool parse_jitter(const char *text, size_t length, int64_t *value);
bool parse_budget(const char *text, size_t length, int64_t *value);
bool parse_timeout(const char *text, size_t length, int64_t *value); /* a duration, or auto(p99 x3, 50ms..5s) */
char *format_jitter(int64_t value, char *out, size_t size);
char *format_budget(int64_t value, char *out, size_t size);
char *format_timeout(int64_t value, char *out, size_t size);

/* is_auto_text(text, length): whether it was meant to be auto(...), right or wrong. */
bool is_auto_text(const char *text, size_t length);

#endif
