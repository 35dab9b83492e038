/* SPDX-License-Identifier: MIT
 * Numbers with units. Pure; any thread; signal safe; never allocates; independent of the locale.
 *
 * Every parser takes exactly `length` bytes, accepts nothing before or after the value, detects
 * overflow, and returns false without touching *out on anything else.
 */
#ifndef RESIL_BASE_UNITS_H
#define RESIL_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "250us" "20ms" "1.5s" "2m" "1h": nanoseconds, >= 0. The unit is obligatory. */
bool parse_duration(const char *text, size_t length, int64_t *ns);
/* "5": a plain decimal number >= 0. */
bool parse_count(const char *text, size_t length, int64_t *count);
/* "50%" "0.1%": parts per million. */
bool parse_percent(const char *text, size_t length, int64_t *ppm);
/* "2" "1.5": parts per million. */
bool parse_factor(const char *text, size_t length, int64_t *ppm);
/* "64KB" "1MB" "100B": bytes, K = 1024. */
bool parse_size(const char *text, size_t length, int64_t *bytes);

/* "100/s" "5/m" "10/h" "64KB/s": events, or bytes, per hour. */
bool parse_rate(const char *text, size_t length, int64_t *per_hour);

/* The inverse, in the shortest exact form; out is at least 32 bytes and is returned. */
char *format_duration(int64_t ns, char *out, size_t size);
char *format_percent(int64_t ppm, char *out, size_t size);
char *format_factor(int64_t ppm, char *out, size_t size);
char *format_rate(int64_t per_hour, char *out, size_t size);

#endif
