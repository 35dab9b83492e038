/* SPDX-License-Identifier: MIT
 * Numbers with units: exact decimal arithmetic in 64 bits. A value that the stored unit cannot hold
 * exactly is refused rather than rounded, so that formatting always gives back what was read. */
#include "base/units.h"

#include <string.h>

#include "base/text.h"

#define US_NS     1000ll
#define MS_NS     (1000 * US_NS)
#define S_NS      (1000 * MS_NS)
#define M_NS      (60 * S_NS)
#define H_NS      (60 * M_NS)
#define WHOLE_PPM 1000000ll

struct unit {
    const char *suffix;
    int64_t scale;
};

/* A suffix that ends in another one stands before it. */
static const struct unit duration_units[] = {{"us", US_NS}, {"ms", MS_NS}, {"s", S_NS}, {"m", M_NS}, {"h", H_NS}, {0}};
static const struct unit percent_units[] = {{"%", WHOLE_PPM / 100}, {0}};
static const struct unit factor_units[] = {{"", WHOLE_PPM}, {0}};
static const struct unit count_units[] = {{"", 1}, {0}};
static const struct unit rate_units[] = {{"/s", 3600}, {"/m", 60}, {"/h", 1}, {0}};
static const struct unit size_units[] = {{"KB", 1024}, {"MB", 1024 * 1024}, {"B", 1}, {0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* *sum = *sum * factor + digit * weight, unless that overflows. Nothing here is negative. */
static bool accumulate(int64_t *sum, int64_t factor, char digit, int64_t weight)
{
    int64_t count = digit - '0';
    if ((factor && *sum > INT64_MAX / factor) || (weight && count > INT64_MAX / weight))
        return false;
    int64_t scaled = *sum * factor, part = count * weight;
    if (scaled > INT64_MAX - part)
        return false;
    *sum = scaled + part;
    return true;
}

/* "DIGITS" of a fraction times scale. From the last digit to the first every step divides without a rest if, and
 * only if, the whole is exact. */
static bool add_fraction(const char *digits, size_t length, int64_t scale, int64_t *sum)
{
    int64_t part = 0;
    while (length) {
        char digit = digits[--length];
        if (!is_digit(digit) || !accumulate(&part, 1, digit, scale) || part % 10 != 0)
            return false;
        part /= 10;
    }
    if (*sum > INT64_MAX - part)
        return false;
    *sum += part;
    return true;
}

/* DIGITS[.DIGITS] times scale; the result must be a whole number of the stored unit. */
static bool parse_decimal(const char *text, size_t length, int64_t scale, int64_t *out)
{
    int64_t value = 0;
    size_t at = 0;
    for (; at < length && is_digit(text[at]); at++)
        if (!accumulate(&value, 10, text[at], 1))
            return false;
    if (at == 0 || !accumulate(&value, scale, '0', 0))
        return false;
    if (at < length) {
        bool fraction = text[at] == '.' && at + 1 < length;
        if (!fraction || !add_fraction(text + at + 1, length - at - 1, scale, &value))
            return false;
    }
    *out = value;
    return true;
}

static bool parse_with(const struct unit *units, const char *text, size_t length, int64_t *out)
{
    for (; units->suffix; units++) {
        size_t suffix_bytes = strlen(units->suffix);
        if (length > suffix_bytes && memcmp(text + length - suffix_bytes, units->suffix, suffix_bytes) == 0)
            return parse_decimal(text, length - suffix_bytes, units->scale, out);
    }
    return false;
}

bool parse_duration(const char *text, size_t length, int64_t *ns)
{
    return parse_with(duration_units, text, length, ns);
}

bool parse_count(const char *text, size_t length, int64_t *count)
{
    return !memchr(text, '.', length) && parse_with(count_units, text, length, count);
}

bool parse_percent(const char *text, size_t length, int64_t *ppm)
{
    return parse_with(percent_units, text, length, ppm);
}

bool parse_factor(const char *text, size_t length, int64_t *ppm)
{
    return parse_with(factor_units, text, length, ppm);
}

bool parse_size(const char *text, size_t length, int64_t *bytes)
{
    return parse_with(size_units, text, length, bytes);
}

bool parse_rate(const char *text, size_t length, int64_t *per_hour)
{
    const char *slash = memchr(text, '/', length);
    int64_t bytes, unit, product;
    if (parse_with(rate_units, text, length, per_hour))
        return true;
    if (!slash || !parse_size(text, (size_t)(slash - text), &bytes))
        return false;
    char one[8] = "1"; /* of that unit of time */
    size_t rest = length - (size_t)(slash - text);
    if (rest >= sizeof one - 1)
        return false;
    memcpy(one + 1, slash, rest);
    if (!parse_with(rate_units, one, rest + 1, &unit) || __builtin_mul_overflow(bytes, unit, &product))
        return false;
    *per_hour = product;
    return true;
}

/* value / scale in decimal, without trailing zeros; scale is a power of ten. */
static char *format_decimal(int64_t value, int64_t scale, const char *suffix, char *out, size_t size)
{
    char fraction[24] = "";
    size_t used = 0;
    for (int64_t rest = value % scale, weight = scale / 10; rest; rest %= weight, weight /= 10) {
        if (used == 0)
            fraction[used++] = '.';
        fraction[used++] = (char)('0' + rest / weight);
        if (weight == 1)
            break;
    }
    fraction[used] = '\0';
    text_format(out, size, "%lld%s%s", (long long)(value / scale), fraction, suffix);
    return out;
}

char *format_duration(int64_t ns, char *out, size_t size)
{
    if (ns && ns % H_NS == 0)
        return format_decimal(ns / H_NS, 1, "h", out, size);
    if (ns && ns % M_NS == 0)
        return format_decimal(ns / M_NS, 1, "m", out, size);
    if (ns == 0 || ns >= S_NS)
        return format_decimal(ns, S_NS, "s", out, size);
    if (ns >= MS_NS)
        return format_decimal(ns, MS_NS, "ms", out, size);
    return format_decimal(ns, US_NS, "us", out, size);
}

char *format_percent(int64_t ppm, char *out, size_t size)
{
    return format_decimal(ppm, WHOLE_PPM / 100, "%", out, size);
}

char *format_factor(int64_t ppm, char *out, size_t size)
{
    return format_decimal(ppm, WHOLE_PPM, "", out, size);
}

char *format_rate(int64_t per_hour, char *out, size_t size)
{
    int64_t divisor = per_hour % 3600 == 0 ? 3600 : per_hour % 60 == 0 ? 60 : 1;
    const char *unit = divisor == 3600 ? "/s" : divisor == 60 ? "/m" : "/h";
    text_format(out, size, "%lld%s", (long long)(per_hour / divisor), unit);
    return out;
}
