/* SPDX-License-Identifier: MIT
 * Texts of single values (first byte: which key), endpoints, patterns, units and globs: what is accepted can be printed
 * and is read back as the same. */
#include "base/text.h"
#include "base/units.h"
#include "config/compile.h"
#include "config/endpoint.h"
#include "config/pattern.h"
#include "tests/fuzz/fuzz.h"

static void one_value(int key, const char *text, size_t length)
{
    int64_t value, again;
    char want[256] = "", shown[256];
    if (key_info[key].kind == KIND_TEXT)
        return;
    if (!config_parse_value(key, text, length, &value, want, sizeof want)) {
        MUST(want[0] != '\0');
        return;
    }
    config_format_value(key, value, shown, sizeof shown);
    MUST(config_parse_value(key, shown, strlen(shown), &again, want, sizeof want) && again == value);
}

static void addresses(const char *text, size_t length)
{
    struct arena arena = {0};
    struct slice slice = {text, length, 1};
    struct endpoint endpoint;
    struct endpoint_error endpoint_error;
    struct pattern pattern;
    struct pattern_error pattern_error;
    if (endpoint_parse(&arena, slice, &endpoint, &endpoint_error))
        MUST(endpoint_same(&endpoint, &endpoint) && endpoint.text);
    else
        MUST(endpoint_error.want && endpoint_error.got.length <= length);
    if (pattern_parse(&arena, slice, &pattern, &pattern_error))
        MUST(pattern.match.kind <= MATCH_ANY && pattern.text && pattern.app);
    else
        MUST(pattern_error.want && pattern_error.got.length <= length);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t value;
    char shown[64];
    if (size < 1 || size > 4096)
        return 0;
    char *text = text_of(data + 1, size - 1);
    char *exact = block_of(data + 1, size - 1); /* the parsers take a length: no byte behind it is theirs */
    one_value(data[0] % KEY_COUNT, exact, size - 1);
    addresses(exact, size - 1);
    if (parse_duration(exact, size - 1, &value))
        MUST(value >= 0 && format_duration(value, shown, sizeof shown) == shown);
    if (parse_size(exact, size - 1, &value))
        MUST(value >= 0);
    text_glob(text, "some.example.com");
    text_glob("a*b?c*", text);
    text_distance(exact, size - 1, "timeout.connect");
    free(exact);
    free(text);
    return 0;
}
