/* SPDX-License-Identifier: MIT
 * Values of several parts: retry.jitter and retry.budget. Pure; any thread. */
#ifndef RESIL_CONFIG_VALUES_H
#define RESIL_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False without touching *value on anything that is not legal. The formats are the inverse; out is returned. */
bool parse_jitter(const char *text, size_t length, int64_t *value);
bool parse_budget(const char *text, size_t length, int64_t *value);
char *format_jitter(int64_t value, char *out, size_t size);
char *format_budget(int64_t value, char *out, size_t size);

#endif
