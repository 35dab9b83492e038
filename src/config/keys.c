/* SPDX-License-Identifier: MIT
 * The key table, and single values by its rows. */
#include "config/keys.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/compile.h"
#include "config/values.h"
#include "policy/retry.h"
#include "policy/timeout.h"

const struct key_info key_info[KEY_COUNT] = {
#define KEY(field, name, kind, def, min, max, words, help) {name, def, min, max, words, help, KIND_##kind},
#include "tables/keys.tbl.h"
};

/* What a value of each kind is called: alone, and with its unit for those who forgot it. */
static const struct {
    const char *noun, *want;
} kind_words[] = {
    [KIND_DURATION] = {"a duration", "a duration with its unit (us ms s m h), such as 5s"},
    [KIND_COUNT] = {"a whole number", "a whole number, such as 5"},
    [KIND_PERCENT] = {"a percentage", "a percentage with its sign, such as 50%"},
    [KIND_FACTOR] = {"a number", "a number without a unit, such as 2 or 1.5"},
    [KIND_RATE] = {"a rate", "a rate with its unit (/s /m /h), such as 100/s"},
    [KIND_JITTER] = {"a jitter", "off, full, equal, decorrelated, 20% (both ways), +100ms, +100% or x0.5..1.5"},
    [KIND_BUDGET] = {"a budget", "a share, a rate and a time, such as 20% 10/s 10s"},
    [KIND_AMOUNT] = {"a number or size", "a whole number, or a size with its unit (B KB MB), such as 64KB"},
    [KIND_WORD] = {"a word", "one of"},
    [KIND_SET] = {"words", "any of"},
    [KIND_TEXT] = {"a text", "a text"},
    [KIND_TIMEOUT] = {"a duration", "a duration with its unit (us ms s m h), such as 5s"},
};

static const char auto_want[] =
    "auto(pN xF, MIN..MAX): N from 50 to 99.9, F from 1 to 25, both with at most one decimal, "
    "MIN and MAX whole milliseconds up to 1h, such as auto(p99 x3, 50ms..5s)";

int config_key(const char *name, size_t length)
{
    for (int key = 0; key < KEY_COUNT; key++)
        if (strlen(key_info[key].name) == length && memcmp(key_info[key].name, name, length) == 0)
            return key;
    return -1;
}

/* The word number index of a list separated by blanks: its begin, and its length, 0 behind the last. */
static const char *word_at(const char *words, int64_t index, size_t *length)
{
    while (index-- > 0 && *words) {
        words += strcspn(words, " ");
        words += *words == ' ';
    }
    *length = strcspn(words, " ");
    return words;
}

static int64_t word_count(const char *words)
{
    int64_t count = 0;
    for (size_t length; word_at(words, count, &length), length; count++)
        ;
    return count;
}

static bool parse_word(const char *words, const char *text, size_t length, int64_t *index)
{
    size_t word_length;
    for (int64_t at = 0;; at++) {
        const char *word = word_at(words, at, &word_length);
        if (!word_length)
            return false;
        if (word_length == length && memcmp(word, text, length) == 0) {
            *index = at;
            return true;
        }
    }
}

/* Words separated by blanks; bit i stands for word i + 1, for the first one ("none") is no bit. */
static bool parse_set(const char *words, const char *text, size_t length, int64_t *value)
{
    int64_t bits = 0, index;
    bool any = false;
    while (length) {
        size_t word = 0;
        while (word < length && text[word] != ' ' && text[word] != '\t')
            word++;
        if (word && !parse_word(words, text, word, &index))
            return false;
        any |= word > 0;
        if (word && index > 0)
            bits |= (int64_t)1 << (index - 1);
        word += word < length;
        text += word;
        length -= word;
    }
    *value = bits;
    return any;
}

static char *format_set(const char *words, int64_t bits, char *out, size_t size)
{
    size_t used = 0, length;
    text_copy(out, size, bits ? "" : "none");
    for (int64_t index = 1; bits > 0 && index < word_count(words); index++, bits >>= 1) {
        const char *word = word_at(words, index, &length);
        if (bits & 1)
            used += text_format(out + used, size - used, "%s%.*s", used ? " " : "", (int)length, word);
    }
    return out;
}

/* A value in the syntax of the file, without regard to its limits. */
static bool parse_kind(const struct key_info *info, const char *text, size_t length, int64_t *value)
{
    switch (info->kind) {
    case KIND_DURATION:
        return parse_duration(text, length, value);
    case KIND_COUNT:
        return parse_count(text, length, value);
    case KIND_AMOUNT:
        return parse_count(text, length, value) || parse_size(text, length, value);
    case KIND_PERCENT:
        return parse_percent(text, length, value);
    case KIND_FACTOR:
        return parse_factor(text, length, value);
    case KIND_RATE:
        return parse_rate(text, length, value);
    case KIND_JITTER:
        return parse_jitter(text, length, value);
    case KIND_BUDGET:
        return parse_budget(text, length, value);
    case KIND_WORD:
        return parse_word(info->words, text, length, value);
    case KIND_TIMEOUT:
        return parse_timeout(text, length, value);
    case KIND_SET:
        return parse_set(info->words, text, length, value);
    case KIND_TEXT:
        break;
    }
    return false;
}

static bool may_be_off(const struct key_info *info)
{
    return info->kind != KIND_WORD && strcmp(info->words, "off") == 0;
}

static struct key_range range_of(const struct key_info *info)
{
    struct key_range range = {0, INT64_MAX, may_be_off(info), info->kind == KIND_TIMEOUT};
    if (info->kind == KIND_WORD) {
        range.high = word_count(info->words) - 1;
    } else if (info->kind == KIND_SET) {
        range.high = ((int64_t)1 << (word_count(info->words) - 1)) - 1;
    } else if (info->kind == KIND_JITTER || info->kind == KIND_BUDGET) {
        range.high = info->kind == KIND_JITTER ? JITTER_VALUE_MAX : BUDGET_VALUE_MAX;
    } else if (info->kind != KIND_TEXT) {
        parse_kind(info, info->min, strlen(info->min), &range.low);
        parse_kind(info, info->max, strlen(info->max), &range.high);
    }
    return range;
}

struct key_range key_range(int key)
{
    return range_of(&key_info[key]);
}

bool key_range_holds(const struct key_range *range, int64_t value)
{
    if (range->may_be_auto && timeout_is_auto(value))
        return timeout_auto_valid(value, range->low, range->high);
    return (range->may_be_off && value == CONF_OFF) || (value >= range->low && value <= range->high);
}

int key_default_of(int key)
{
    const struct key_info *info = &key_info[key];
    if (info->kind == KIND_WORD) /* its default is one of its own words, even where a key has the same name */
        return -1;
    return config_key(info->def, strlen(info->def));
}

int64_t key_info_default(const struct key_info *info)
{
    int64_t value = 0;
    if (may_be_off(info) && strcmp(info->def, "off") == 0)
        return CONF_OFF;
    parse_kind(info, info->def, strlen(info->def), &value);
    return value;
}

int64_t key_default_value(int key)
{
    return key_info_default(&key_info[key]);
}

bool config_parse_value(int key, const char *text, size_t length, int64_t *value, char *want, size_t size)
{
    return key_info_parse(&key_info[key], text, length, value, want, size);
}

bool key_info_parse(const struct key_info *info, const char *text, size_t length, int64_t *value, char *want,
                    size_t size)
{
    if (may_be_off(info) && length == 3 && memcmp(text, "off", 3) == 0) {
        *value = CONF_OFF;
        return true;
    }
    int64_t parsed;
    if (!parse_kind(info, text, length, &parsed)) {
        const char *words = info->kind == KIND_WORD || info->kind == KIND_SET ? info->words : "";
        if (info->kind == KIND_TIMEOUT && is_auto_text(text, length))
            text_copy(want, size, auto_want);
        else
            text_format(want, size, "%s%s%s", kind_words[info->kind].want, *words ? " " : "", words);
        return false;
    }
    struct key_range range = range_of(info);
    if (!key_range_holds(&range, parsed)) {
        if (timeout_is_auto(parsed))
            text_format(want, size, "bounds from %s to 1h, the lower one first, such as auto(p99 x3, 50ms..5s)",
                        info->min);
        else
            text_format(want, size, "%s from %s to %s%s", kind_words[info->kind].noun, info->min, info->max,
                        range.may_be_off ? ", or off" : "");
        return false;
    }
    *value = parsed;
    return true;
}

char *config_format_value(int key, int64_t value, char *out, size_t size)
{
    if (may_be_off(&key_info[key]) && value == CONF_OFF) {
        text_copy(out, size, "off");
        return out;
    }
    switch (key_info[key].kind) {
    case KIND_DURATION:
        return format_duration(value, out, size);
    case KIND_PERCENT:
        return format_percent(value, out, size);
    case KIND_FACTOR:
        return format_factor(value, out, size);
    case KIND_RATE:
        return format_rate(value, out, size);
    case KIND_JITTER:
        return format_jitter(value, out, size);
    case KIND_BUDGET:
        return format_budget(value, out, size);
    case KIND_TIMEOUT:
        return format_timeout(value, out, size);
    case KIND_SET:
        return format_set(key_info[key].words, value, out, size);
    case KIND_WORD: {
        size_t length;
        const char *word = word_at(key_info[key].words, value, &length);
        text_format(out, size, "%.*s", (int)length, word);
        return out;
    }
    case KIND_AMOUNT:
    case KIND_COUNT:
    case KIND_TEXT:
        break;
    }
    text_format(out, size, "%lld", (long long)value);
    return out;
}
