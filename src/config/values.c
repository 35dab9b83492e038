/* SPDX-License-Identifier: MIT
 * retry.jitter, retry.budget, auto(...). */
#include "config/values.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "policy/retry.h"
#include "policy/timeout.h"

enum { FIELD_MAX = (1 << 28) - 1, TIMES_SCALE = PPM / 10000 };

static const struct {
    const char *name;
    enum jitter_form form;
} words[] = {
    {"off", JITTER_OFF}, {"full", JITTER_FULL}, {"equal", JITTER_EQUAL}, {"decorrelated", JITTER_DECORRELATED}};

static bool parse_word(const char *text, size_t length, struct jitter *jitter)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].name) == length && memcmp(words[i].name, text, length) == 0) {
            *jitter = (struct jitter){.form = words[i].form};
            return true;
        }
    }
    return false;
}

/* "0.5..1.5" */
static bool parse_times(const char *text, size_t length, struct jitter *jitter)
{
    int64_t low, high;
    for (size_t at = 1; at + 2 < length; at++) {
        if (text[at] != '.' || text[at + 1] != '.')
            continue;
        if (!parse_factor(text, at, &low) || !parse_factor(text + at + 2, length - at - 2, &high) || low > high ||
            high / TIMES_SCALE > FIELD_MAX || low % TIMES_SCALE || high % TIMES_SCALE)
            return false;
        *jitter = (struct jitter){JITTER_TIMES, (uint32_t)(low / TIMES_SCALE), (uint32_t)(high / TIMES_SCALE)};
        return true;
    }
    return false;
}

static bool parse_form(const char *text, size_t length, struct jitter *jitter)
{
    int64_t amount;
    if (parse_word(text, length, jitter))
        return true;
    if (length > 1 && text[0] == 'x')
        return parse_times(text + 1, length - 1, jitter);
    if (length > 1 && text[0] == '+' && parse_percent(text + 1, length - 1, &amount) && amount <= FIELD_MAX) {
        *jitter = (struct jitter){.form = JITTER_PLUS_SHARE, .low = (uint32_t)amount};
        return true;
    }
    if (length > 1 && text[0] == '+' && parse_duration(text + 1, length - 1, &amount) && amount % 1000 == 0 &&
        amount / 1000 <= FIELD_MAX) {
        *jitter = (struct jitter){.form = JITTER_PLUS, .low = (uint32_t)(amount / 1000)};
        return true;
    }
    if (!parse_percent(text, length, &amount) || amount > PPM)
        return false;
    *jitter = (struct jitter){.form = JITTER_SPREAD, .low = (uint32_t)amount};
    return true;
}

bool parse_jitter(const char *text, size_t length, int64_t *value)
{
    struct jitter jitter;
    if (!parse_form(text, length, &jitter))
        return false;
    *value = jitter_pack(jitter);
    return true;
}

char *format_jitter(int64_t value, char *out, size_t size)
{
    struct jitter jitter = jitter_unpack(value);
    char low[32], high[32];
    switch (jitter.form) {
    case JITTER_SPREAD:
        return format_percent(jitter.low, out, size);
    case JITTER_PLUS_SHARE:
        text_format(out, size, "+%s", format_percent(jitter.low, low, sizeof low));
        return out;
    case JITTER_PLUS:
        text_format(out, size, "+%s", format_duration((int64_t)jitter.low * 1000, low, sizeof low));
        return out;
    case JITTER_TIMES:
        format_factor((int64_t)jitter.low * TIMES_SCALE, low, sizeof low);
        text_format(out, size, "x%s..%s", low, format_factor((int64_t)jitter.high * TIMES_SCALE, high, sizeof high));
        return out;
    case JITTER_OFF:
    case JITTER_FULL:
    case JITTER_EQUAL:
    case JITTER_DECORRELATED:
        break;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].form == jitter.form)
            text_copy(out, size, words[i].name);
    return out;
}

/* The next word of a text; *length is what remains of it. */
static const char *next_word(const char **text, size_t *length, size_t *word_length)
{
    while (*length && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*length;
    }
    const char *word = *text;
    *word_length = 0;
    while (*length && **text != ' ' && **text != '\t') {
        ++*text;
        --*length;
        ++*word_length;
    }
    return word;
}

bool parse_budget(const char *text, size_t length, int64_t *value)
{
    enum { MILLI_PERCENT_PPM = 10, PER_SECOND_MAX = (1 << 22) - 1, SECONDS_MAX = 3600, SHARE_MAX_PPM = 10 * PPM };
    int64_t share_ppm, per_hour, time_ns;
    size_t word;
    const char *at = next_word(&text, &length, &word);
    if (!parse_percent(at, word, &share_ppm) || share_ppm > SHARE_MAX_PPM || share_ppm % MILLI_PERCENT_PPM)
        return false;
    at = next_word(&text, &length, &word);
    if (!parse_rate(at, word, &per_hour) || per_hour % 3600 || per_hour / 3600 > PER_SECOND_MAX)
        return false;
    at = next_word(&text, &length, &word);
    if (!parse_duration(at, word, &time_ns) || time_ns % 1000000000 || time_ns <= 0 ||
        time_ns / 1000000000 > SECONDS_MAX)
        return false;
    next_word(&text, &length, &word);
    if (word)
        return false;
    *value = budget_pack((struct budget){(uint32_t)(share_ppm / MILLI_PERCENT_PPM), (uint32_t)(per_hour / 3600),
                                         (uint32_t)(time_ns / 1000000000)});
    return true;
}

char *format_budget(int64_t value, char *out, size_t size)
{
    struct budget budget = budget_unpack(value);
    char share[32], rate[32], time[32];
    format_percent((int64_t)budget.share_milli_percent * 10, share, sizeof share);
    format_rate((int64_t)budget.per_second * 3600, rate, sizeof rate);
    format_duration((int64_t)budget.seconds * 1000000000, time, sizeof time);
    text_format(out, size, "%s %s %s", share, rate, time);
    return out;
}

bool is_auto_text(const char *text, size_t length)
{
    return length >= 4 && memcmp(text, "auto", 4) == 0;
}

/* What is left of a text, cut off piece by piece. */
struct rest {
    const char *text;
    size_t length;
};

static bool skip(struct rest *rest, const char *prefix)
{
    size_t bytes = strlen(prefix);
    while (rest->length && (*rest->text == ' ' || *rest->text == '\t'))
        rest->text++, rest->length--;
    if (rest->length < bytes || memcmp(rest->text, prefix, bytes) != 0)
        return false;
    rest->text += bytes;
    rest->length -= bytes;
    return true;
}

/* The piece before the next of the characters in `ends`, or before "..". */
static struct rest cut(struct rest *rest, const char *ends)
{
    struct rest piece = {rest->text, 0};
    while (rest->length && !strchr(ends, *rest->text) && (rest->length < 2 || memcmp(rest->text, "..", 2) != 0))
        rest->text++, rest->length--, piece.length++;
    return piece;
}

/* A number with one decimal, in tenths. */
static bool cut_tenths(struct rest *rest, const char *ends, uint32_t *tenths)
{
    int64_t ppm;
    struct rest piece = cut(rest, ends);
    if (!parse_factor(piece.text, piece.length, &ppm) || ppm % (PPM / 10) || ppm > 1000ll * PPM)
        return false;
    *tenths = (uint32_t)(ppm / (PPM / 10));
    return true;
}

static bool cut_ms(struct rest *rest, const char *ends, uint32_t *ms)
{
    int64_t ns;
    struct rest piece = cut(rest, ends);
    if (!parse_duration(piece.text, piece.length, &ns) || ns % 1000000 || ns / 1000000 > TIMEOUT_BOUND_MAX_MS)
        return false;
    *ms = (uint32_t)(ns / 1000000);
    return true;
}

bool parse_timeout(const char *text, size_t length, int64_t *value)
{
    struct timeout_auto parts;
    struct rest rest = {text, length};
    if (!is_auto_text(text, length)) {
        if (!parse_duration(text, length, value))
            return false;
        if (timeout_is_auto(*value)) /* 146 years; out of every range, and no auto(...) */
            *value = TIMEOUT_AUTO - 1;
        return true;
    }
    bool good = skip(&rest, "auto(") && skip(&rest, "p") && cut_tenths(&rest, " \tx", &parts.quantile_permille) &&
                skip(&rest, "x") && cut_tenths(&rest, " \t,", &parts.factor_tenths) && skip(&rest, ",") &&
                skip(&rest, "") && cut_ms(&rest, " \t", &parts.min_ms) && skip(&rest, "..") && skip(&rest, "") &&
                cut_ms(&rest, " \t)", &parts.max_ms) && skip(&rest, ")") && rest.length == 0;
    if (!good || parts.quantile_permille < TIMEOUT_QUANTILE_MIN || parts.quantile_permille > TIMEOUT_QUANTILE_MAX ||
        parts.factor_tenths < TIMEOUT_FACTOR_MIN || parts.factor_tenths > TIMEOUT_FACTOR_MAX)
        return false;
    *value = timeout_pack(parts);
    return true;
}

char *format_timeout(int64_t value, char *out, size_t size)
{
    char quantile[32], factor[32], low[32], high[32];
    if (!timeout_is_auto(value))
        return format_duration(value, out, size);
    struct timeout_auto parts = timeout_unpack(value);
    text_format(out, size, "auto(p%s x%s, %s..%s)",
                format_factor((int64_t)parts.quantile_permille * (PPM / 10), quantile, sizeof quantile),
                format_factor((int64_t)parts.factor_tenths * (PPM / 10), factor, sizeof factor),
                format_duration((int64_t)parts.min_ms * 1000000, low, sizeof low),
                format_duration((int64_t)parts.max_ms * 1000000, high, sizeof high));
    return out;
}
