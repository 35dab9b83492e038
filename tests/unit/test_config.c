/* SPDX-License-Identifier: MIT
 * Units, texts, the configuration language, the chaos grammar and the matching, by tables; then the same
 * code under garbage. Runs from the top of the source tree, or takes it as its argument. */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "base/text.h"
#include "base/units.h"
#include "config/chaos.h"
#include "config/compile.h"
#include "config/keys.h"
#include "config/match.h"
#include "config/rules.h"
#include "policy/timeout.h"
#include "tests/unit/check.h"

enum { RULES_BYTES = 1 << 20, ERRORS_BYTES = 8192, MUTATIONS = 20000 };

#define MS 1000000ll
#define S  (1000 * MS)

static _Alignas(16) char rules_buffer[RULES_BYTES];
static const struct rules *const rules = (const struct rules *)(const void *)rules_buffer;
static char errors_buffer[ERRORS_BYTES];
static struct config_errors errors = {errors_buffer, sizeof errors_buffer, 0, 0};
static char directory[64];

/* ---- helpers ---------------------------------------------------------------------------------- */

static bool compile(const char *path, const char *inline_text)
{
    struct config_input input = {.path = path, .inline_text = inline_text};
    size_t written = 0;
    bool good = config_compile(&input, rules_buffer, sizeof rules_buffer, &errors, &written);
    CHECK_INT(good, errors.count == 0);
    if (good) {
        CHECK(rules_valid(rules_buffer, sizeof rules_buffer));
        CHECK(rules_valid(rules_buffer, written));
        CHECK(!rules_valid(rules_buffer, written - 1));
    }
    return good;
}

static const char *write_file(const char *name, const char *text, size_t length)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    if (CHECK(file != NULL)) {
        fwrite(text, 1, length, file);
        fclose(file);
    }
    return path;
}

static bool compile_file(const char *text, const char *inline_text)
{
    return compile(write_file("main.conf", text, strlen(text)), inline_text);
}

static int64_t value_of(uint32_t destination, int key)
{
    return ((const int64_t *)&rules_destination(rules, destination)->conf)[key];
}

static const char *name_of(int destination)
{
    return destination < 0 ? "-" : rules_text(rules, rules_destination(rules, (uint32_t)destination)->name);
}

static uint32_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* ---- base ------------------------------------------------------------------------------------- */

static const struct {
    bool (*parse)(const char *text, size_t length, int64_t *out);
    char *(*format)(int64_t value, char *out, size_t size);
    const char *text;
    int64_t value;         /* -1: an error */
    const char *formatted; /* NULL: as text */
} unit_rows[] = {
    {parse_duration, format_duration, "250us", 250000, NULL},
    {parse_duration, format_duration, "20ms", 20 * MS, NULL},
    {parse_duration, format_duration, "1.5s", 1500 * MS, NULL},
    {parse_duration, format_duration, "1.000000001s", S + 1, NULL},
    {parse_duration, format_duration, "0.001us", 1, NULL},
    {parse_duration, format_duration, "90s", 90 * S, NULL},
    {parse_duration, format_duration, "120s", 120 * S, "2m"},
    {parse_duration, format_duration, "5000ms", 5 * S, "5s"},
    {parse_duration, format_duration, "1440m", 86400 * S, "24h"},
    {parse_duration, format_duration, "0ms", 0, "0s"},
    {parse_duration, format_duration, "1.50s", 1500 * MS, "1.5s"},
    {parse_duration, format_duration, "0.0001us", -1, NULL},
    {parse_duration, format_duration, "5", -1, NULL},
    {parse_duration, format_duration, "s", -1, NULL},
    {parse_duration, format_duration, "", -1, NULL},
    {parse_duration, format_duration, "-5s", -1, NULL},
    {parse_duration, format_duration, "+5s", -1, NULL},
    {parse_duration, format_duration, "5 s", -1, NULL},
    {parse_duration, format_duration, "5S", -1, NULL},
    {parse_duration, format_duration, "5ns", -1, NULL},
    {parse_duration, format_duration, "1.s", -1, NULL},
    {parse_duration, format_duration, ".5s", -1, NULL},
    {parse_duration, format_duration, "1.2.3s", -1, NULL},
    {parse_duration, format_duration, "1e3s", -1, NULL},
    {parse_duration, format_duration, "9223372036.854775807s", INT64_MAX, NULL},
    {parse_duration, format_duration, "9223372036.854775808s", -1, NULL},
    {parse_duration, format_duration, "99999999999999999999s", -1, NULL},
    {parse_count, NULL, "5", 5, NULL},
    {parse_count, NULL, "9223372036854775807", INT64_MAX, NULL},
    {parse_count, NULL, "9223372036854775808", -1, NULL},
    {parse_count, NULL, "5.0", -1, NULL},
    {parse_count, NULL, "0x5", -1, NULL},
    {parse_percent, format_percent, "50%", 500000, NULL},
    {parse_percent, format_percent, "0.1%", 1000, NULL},
    {parse_percent, format_percent, "0.0001%", 1, NULL},
    {parse_percent, format_percent, "0.00001%", -1, NULL},
    {parse_percent, format_percent, "50", -1, NULL},
    {parse_percent, format_percent, "%", -1, NULL},
    {parse_factor, format_factor, "2", 2000000, NULL},
    {parse_factor, format_factor, "1.5", 1500000, NULL},
    {parse_factor, format_factor, "2x", -1, NULL},
    {parse_size, NULL, "64KB", 65536, NULL},
    {parse_size, NULL, "1MB", 1 << 20, NULL},
    {parse_size, NULL, "100B", 100, NULL},
    {parse_size, NULL, "0.5KB", 512, NULL},
    {parse_size, NULL, "100", -1, NULL},
    {parse_rate, NULL, "64KB/s", 65536ll * 3600, NULL},
    {parse_rate, NULL, "1MB/m", 60 << 20, NULL},
    {parse_rate, NULL, "64KB", -1, NULL},
    {parse_rate, NULL, "64KB/", -1, NULL},
    {parse_rate, NULL, "64KB/day", -1, NULL},
    {parse_rate, NULL, "/s", -1, NULL},
    {parse_rate, NULL, "9000000000000000KB/s", -1, NULL},
};

static void test_units(void)
{
    for (size_t row = 0; row < COUNT_OF(unit_rows); row++) {
        const char *text = unit_rows[row].text;
        int64_t want = unit_rows[row].value, got = -1;
        char out[32];
        bool good = unit_rows[row].parse(text, strlen(text), &got);
        if (!CHECK_INT(good, want >= 0) || !CHECK_INT(got, want))
            fprintf(stderr, "  in \"%s\"\n", text);
        if (good && unit_rows[row].format)
            CHECK_TEXT(unit_rows[row].format(got, out, sizeof out),
                       unit_rows[row].formatted ? unit_rows[row].formatted : text);
    }
    for (int round = 0; round < 2000; round++) {
        int64_t value = ((int64_t)next_random() << 31 | next_random()) >> (next_random() % 60), got = -1;
        char out[32];
        format_duration(value, out, sizeof out);
        CHECK(parse_duration(out, strlen(out), &got) && got == value);
        format_percent(value, out, sizeof out);
        CHECK(parse_percent(out, strlen(out), &got) && got == value);
    }
}

static void test_text(void)
{
    static const struct {
        const char *pattern, *text;
        bool want;
    } globs[] = {
        {"", "", true},          {"*", "", true},           {"*", "abc", true},       {"?", "", false},
        {"a?c", "abc", true},    {"a*c", "abbbc", true},    {"a*c", "abbb", false},   {"*.conf", "x.conf", true},
        {"*a*b", "xaxab", true}, {"a**b", "ab", true},      {"abc", "abcd", false},   {"[a]", "a", false},
        {"*ab", "aab", true},    {"work*", "worker", true}, {"a*b*c", "acbbc", true}, {"a*b*c", "acb", false},
    };
    static const struct {
        const char *a, *b;
        unsigned want;
    } distances[] = {{"", "", 0},      {"abc", "abc", 0}, {"abc", "acb", 1},        {"abc", "abd", 1},
                     {"abc", "ab", 1}, {"", "abc", 3},    {"kitten", "sitting", 3}, {"refues", "refuse", 1}};
    char out[16], far[80];
    for (size_t row = 0; row < COUNT_OF(globs); row++)
        CHECK_INT(text_glob(globs[row].pattern, globs[row].text), globs[row].want);
    for (size_t row = 0; row < COUNT_OF(distances); row++)
        CHECK_INT(text_distance(distances[row].a, strlen(distances[row].a), distances[row].b), distances[row].want);
    memset(far, 'a', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    CHECK(text_distance(far, strlen(far), "a") > 63);
    CHECK_INT(text_format(out, sizeof out, "%d %u %x%c%%", -5, 7u, 255u, '!'), 9);
    CHECK_TEXT(out, "-5 7 ff!%");
    text_format(out, sizeof out, "%.*s|%s", 2, "abc", "d");
    CHECK_TEXT(out, "ab|d");
    text_format(out, sizeof out, "%llu", 18446744073709551615ull);
    CHECK_TEXT(out, "184467440737095");
    text_format(out, sizeof out, "%lld", INT64_MIN + 0ll);
    CHECK_TEXT(out, "-92233720368547");
    CHECK_INT(text_copy(out, 4, "abcdef"), 3);
    CHECK_TEXT(out, "abc");
    CHECK_INT(text_copy(NULL, 0, "abcdef"), 0);
    CHECK_INT(crc32_update(0, "123456789", 9), 0xcbf43926u);
    CHECK_INT(crc32_update(crc32_update(0, "1234", 4), "56789", 5), 0xcbf43926u);
}

/* ---- chaos ------------------------------------------------------------------------------------ */

static void test_chaos(void)
{
    enum { C = FAULT_AT_CONNECT, R = FAULT_AT_READ, W = FAULT_AT_WRITE, D = FAULT_AT_DNS };
    static const struct {
        const char *text;
        struct fault want;
    } good[] = {
        {"refuse", {.kind = FAULT_REFUSE, .call = C, .probability_ppm = PPM}},
        {" refuse@connect 1% ", {.kind = FAULT_REFUSE, .call = C, .probability_ppm = 10000}},
        {"unreachable app=cur*", {.kind = FAULT_UNREACHABLE, .call = C, .probability_ppm = PPM, .app = "cur*"}},
        {"error=ECONNRESET", {.kind = FAULT_ERROR, .call = C, .error = ECONNRESET, .probability_ppm = PPM}},
        {"error=EPIPE@write 30%", {.kind = FAULT_ERROR, .call = W, .error = EPIPE, .probability_ppm = 300000}},
        {"error=EPIPE dir=up", {.kind = FAULT_ERROR, .call = W, .error = EPIPE, .probability_ppm = PPM}},
        {"latency=200ms~50ms@read count=3 after=7",
         {.kind = FAULT_LATENCY,
          .call = R,
          .probability_ppm = PPM,
          .delay_ns = 200 * MS,
          .spread_ns = 50 * MS,
          .count = 3,
          .after = 7}},
        {"latency=2s dir=down for=5m",
         {.kind = FAULT_LATENCY, .call = R, .probability_ppm = PPM, .delay_ns = 2 * S, .for_ns = 300 * S}},
        {"api-1: reset=5ms 0.5%",
         {.kind = FAULT_RESET, .call = W, .probability_ppm = 5000, .delay_ns = 5 * MS, .target = "api-1"}},
        {"reset@write;", {.kind = FAULT_RESET, .call = W, .probability_ppm = PPM}},
        {"blackhole", {.kind = FAULT_BLACKHOLE, .call = C, .probability_ppm = PPM}},
        {"blackhole dir=down", {.kind = FAULT_BLACKHOLE, .call = R, .probability_ppm = PPM}},
        {"timeout=0s", {.kind = FAULT_TIMEOUT, .call = R, .probability_ppm = PPM}},
        {"bandwidth=64KB/s",
         {.kind = FAULT_BANDWIDTH, .call = R, .probability_ppm = PPM, .amount = 64 * 1024 * 3600ll}},
        {"bandwidth=1MB/m dir=up",
         {.kind = FAULT_BANDWIDTH, .call = W, .probability_ppm = PPM, .amount = 1024 * 1024 * 60ll}},
        {"slice=1..16:5ms",
         {.kind = FAULT_SLICE, .call = R, .probability_ppm = PPM, .low = 1, .amount = 16, .delay_ns = 5 * MS}},
        {"slice=7@write", {.kind = FAULT_SLICE, .call = W, .probability_ppm = PPM, .low = 7, .amount = 7}},
        {"limit=1KB", {.kind = FAULT_LIMIT, .call = R, .probability_ppm = PPM, .amount = 1024}},
        {"half_close dir=up", {.kind = FAULT_HALF_CLOSE, .call = W, .probability_ppm = PPM}},
        {"slow_close=1s", {.kind = FAULT_SLOW_CLOSE, .call = R, .probability_ppm = PPM, .delay_ns = S}},
        {"corrupt=1/1000", {.kind = FAULT_CORRUPT, .call = R, .probability_ppm = PPM, .low = 1, .amount = 1000}},
        {"dns=empty", {.kind = FAULT_DNS, .call = D, .dns = FAULT_DNS_EMPTY, .probability_ppm = PPM}},
        {"dns=delay:2s",
         {.kind = FAULT_DNS, .call = D, .dns = FAULT_DNS_DELAY, .probability_ppm = PPM, .delay_ns = 2 * S}},
        {"slow_accept=2s", {.kind = FAULT_SLOW_ACCEPT, .call = C, .probability_ppm = PPM, .delay_ns = 2 * S}},
    };
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"refues", "1: got `refues', want a fault; the nearest is refuse"},
        {"refuse; latenzy=5s", "9: got `latenzy', want a fault; the nearest is latency"},
        {"refuse=1", "1: got `refuse=1', want no argument behind it"},
        {"refuse@read", "8: got `read', want connect"},
        {"reset@connect", "7: got `connect', want write"},
        {"reset@", "7: got `', want write"},
        {"error=EPIPE@accept", "13: got `accept', want connect or read or write"},
        {"error", "1: got `error', want an errno behind it, such as =ECONNRESET"},
        {"error=ECONREFUSED",
         "7: got `ECONREFUSED', want the name of an error of sockets; the nearest is ECONNREFUSED"},
        {"error=EINPROGRESS", "7: got `EINPROGRESS', want the name of an error of sockets; the nearest is ENETRESET"},
        {"latency=5", "9: got `5', want a duration with its unit (us ms s m h) up to 24h, such as 200ms"},
        {"latency=1s~", "12: got `', want a duration with its unit (us ms s m h) up to 24h, such as 200ms"},
        {"latency=25h", "9: got `25h', want a duration with its unit (us ms s m h) up to 24h, such as 200ms"},
        {"refuse 101%", "8: got `101%', want a percentage from 0% to 100%"},
        {"refuse 1% 2%", "11: got `2%', want it once"},
        {"refuse cuont=1",
         "8: got `cuont=1', want a probability such as 10%, count=N, after=N, for=D, dir=down, dir=up or "
         "app=GLOB; the nearest is count"},
        {"refuse count=0", "8: got `count=0', want a whole number, count from 1"},
        {"refuse for=0s", "8: got `for=0s', want a time above 0"},
        {"refuse dir=up", "8: got `dir=up', want a direction that this fault has"},
        {"slice=1..8 dir=left", "12: got `dir=left', want dir=down or dir=up"},
        {"limit=8B@read dir=up", "15: got `dir=up', want the direction of the call behind the @"},
        {"refuse app=", "8: got `app=', want app= and a pattern of program names, at most 63 bytes"},
        {"bandwidth=64/s", "11: got `64/s', want bytes in a time, such as 64KB/s"},
        {"bandwidth=0B/s", "11: got `0B/s', want bytes in a time, such as 64KB/s"},
        {"slice=0..4", "7: got `0..4', want numbers of bytes such as 1..16"},
        {"slice=4..2", "7: got `4..2', want numbers of bytes such as 1..16"},
        {"slice=1.", "7: got `1.', want numbers of bytes such as 1..16"},
        {"limit=5", "7: got `5', want a size with its unit (B KB MB), such as 100B"},
        {"corrupt=2/1", "9: got `2/1', want a share of the bytes such as 1/1000"},
        {"corrupt=1/0", "9: got `1/0', want a share of the bytes such as 1/1000"},
        {"dns", "1: got `dns', want =fail, =empty or =delay:D behind it"},
        {"dns=slow", "5: got `slow', want fail, empty or delay:D"},
        {"timeout", "1: got `timeout', want a duration behind it, such as =200ms"},
        {"a/b: refuse", "1: got `a/b:', want the name of a destination and a colon"},
        {"db: ", "1: got `db:', want a fault behind the name"},
        {"refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;refuse;"
         "refuse;refuse",
         "113: got `refuse', want at most 16 faults"},
    };
    struct faults faults;
    char error[256];
    for (size_t row = 0; row < COUNT_OF(good); row++) {
        CHECK(chaos_parse(good[row].text, &faults, error, sizeof error));
        CHECK_INT(faults.used, 1);
        if (!CHECK(memcmp(&faults.fault[0], &good[row].want, sizeof(struct fault)) == 0))
            fprintf(stderr, "  in \"%s\"\n", good[row].text);
    }
    for (size_t row = 0; row < COUNT_OF(bad); row++) {
        CHECK(!chaos_parse(bad[row].text, &faults, error, sizeof error));
        CHECK_INT(faults.used, 0);
        CHECK_TEXT(error, bad[row].want);
    }
    CHECK(chaos_parse("", &faults, error, sizeof error) && faults.used == 0);
    CHECK(chaos_parse("error=ECONNRESET@read 30%; db: latency=2s", &faults, error, sizeof error) && faults.used == 2);
    CHECK_TEXT(faults.fault[1].target, "db");
    CHECK_TEXT(chaos_errno_name(ETIMEDOUT), "ETIMEDOUT");
    CHECK_TEXT(chaos_errno_name(12345), NULL);
    CHECK_INT(chaos_errno("E111", 4), -1);
}

/* ---- keys ------------------------------------------------------------------------------------- */

/* One key of one destination, set to text. */
static bool compile_key(int key, const char *text)
{
    char conf[512];
    snprintf(conf, sizeof conf, "[destination d]\nmatch = *\n%s = %s\n", key_info[key].name, text);
    return compile_file(conf, NULL);
}

static void check_value_round_trip(int key, const char *text)
{
    char out[400], want[400];
    int64_t value = -2, again = -3;
    CHECK(config_parse_value(key, text, strlen(text), &value, want, sizeof want));
    config_format_value(key, value, out, sizeof out);
    CHECK(config_parse_value(key, out, strlen(out), &again, want, sizeof want));
    CHECK_INT(again, value);
    CHECK(compile_key(key, text));
    CHECK_INT(value_of(0, key), value);
}

static void check_value_refused(int key, const char *text, const char *want)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "%s/main.conf:3:%zu: %s: got `%s', want %s", directory,
             strlen(key_info[key].name) + (*text ? 4 : 3), key_info[key].name, text, want);
    CHECK(!compile_key(key, text));
    CHECK_TEXT(errors.text, expected);
}

static void test_words(int key)
{
    char words[256], want[300];
    snprintf(words, sizeof words, "%s", key_info[key].words);
    snprintf(want, sizeof want, "one of %s", words);
    int64_t index = 0;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "), index++) {
        check_value_round_trip(key, word);
        CHECK_INT(value_of(0, key), index);
    }
    check_value_refused(key, "nonsense", want);
    check_value_refused(key, "", want);
}

/* Several words are one value; the first word of the table is the empty set. */
static void test_set(int key)
{
    char want[400], all[400];
    const char *words = key_info[key].words;
    int64_t count = 0;
    snprintf(want, sizeof want, "any of %s", words);
    snprintf(all, sizeof all, "%s", words);
    for (char *word = strtok(all, " "); word; word = strtok(NULL, " "), count++) {
        CHECK(compile_key(key, word));
        CHECK_INT(value_of(0, key), count ? (int64_t)1 << (count - 1) : 0);
    }
    CHECK(compile_key(key, strchr(words, ' ') + 1));
    CHECK_INT(value_of(0, key), ((int64_t)1 << (count - 1)) - 1);
    char some[300], wrong[300];
    const char *first = strchr(words, ' ') + 1, *last = strrchr(words, ' ') + 1;
    snprintf(some, sizeof some, "%s \t %.*s", last, (int)strcspn(first, " "), first);
    snprintf(wrong, sizeof wrong, "%s nonsense", last);
    check_value_round_trip(key, some);
    check_value_refused(key, wrong, want);
    check_value_refused(key, "", want);
}

/* Values of several parts: legal ones survive the round trip as they were written, others are refused. */
static void test_composite(int key)
{
    static const char *const jitters[] = {"off", "full",   "equal", "decorrelated",
                                          "20%", "+100ms", "+100%", "x0.5..1.5"};
    static const char *const no_jitters[] = {"",      "none",    "101%", "+",      "x1", "x1..",
                                             "x2..1", "+100us2", "-5%",  "x1...2", "+1", "full equal"};
    static const char *const budgets[] = {"20% 10/s 10s", "0% 0/s 1s", "1000% 4000000/s 1h"};
    static const char *const no_budgets[] = {"",
                                             "20%",
                                             "20% 10/s",
                                             "20% 10/s 10s 5",
                                             "10/s 20% 10s",
                                             "20% 10/m 1s",
                                             "20% 10/s 0s",
                                             "20% 10/s 1500ms",
                                             "20% 10/s 2h",
                                             "5% 10 10s"};
    bool is_jitter = key_info[key].kind == KIND_JITTER;
    char out[64], text[128], want[256];
    int64_t value;
    for (size_t i = 0; i < (is_jitter ? COUNT_OF(jitters) : COUNT_OF(budgets)); i++) {
        const char *legal = is_jitter ? jitters[i] : budgets[i];
        check_value_round_trip(key, legal);
        CHECK(config_parse_value(key, legal, strlen(legal), &value, want, sizeof want));
        CHECK_TEXT(config_format_value(key, value, out, sizeof out), legal);
    }
    for (size_t i = 0; i < (is_jitter ? COUNT_OF(no_jitters) : COUNT_OF(no_budgets)); i++) {
        snprintf(text, sizeof text, "%s", is_jitter ? no_jitters[i] : no_budgets[i]);
        CHECK(!config_parse_value(key, text, strlen(text), &value, want, sizeof want));
        CHECK(!compile_key(key, text));
    }
}

/* The words of the sets are the observations, in their order. */
static void test_observation_words(void)
{
    char names[400] = "none";
    for (int i = 0; i < OBSERVATION_INJECTED; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), " %s", observation_names[i]);
    CHECK_TEXT(key_info[KEY_breaker_ignore].words, names);
    CHECK_TEXT(key_info[KEY_breaker_failure_on].words, names);
}

/* Learned timeouts: legal ones come back in one form, whatever blanks they had; the others say what is wrong. */
static void test_auto(int key)
{
    static const struct {
        const char *text, *formatted; /* NULL: as text */
        struct timeout_auto parts;
    } legal[] = {
        {"auto(p99 x3, 50ms..5s)", NULL, {990, 30, 50, 5000}},
        {"auto(p50 x1, 1ms..1ms)", NULL, {500, 10, 1, 1}},
        {"auto(p99.9 x25, 1s..1h)", NULL, {999, 250, 1000, 3600000}},
        {"auto(p95x1.5,20ms..1.5s)", "auto(p95 x1.5, 20ms..1.5s)", {950, 15, 20, 1500}},
        {"auto( p90.0 \t x2.0 , 2000ms .. 1m )", "auto(p90 x2, 2s..1m)", {900, 20, 2000, 60000}},
    };
    static const char *const broken[] = {
        "auto",
        "auto()",
        "auto(p99 x3)",
        "auto(p99, 50ms..5s)",
        "auto(x3, 50ms..5s)",
        "auto(p99 x3, 50ms..5s",
        "auto(p99 x3, 50ms..5s) ms",
        "auto(p99 x3 50ms..5s)",
        "auto(p99 x3, 50ms-5s)",
        "auto(p99 x3, 50..5s)",
        "auto(p99 x3, 50ms..5)",
        "auto(p99 x3, 50ms..)",
        "auto(p99 x3, 50ms...5s)",
        "auto(p99 x3, ..5s)",
        "auto(p49.9 x3, 50ms..5s)",
        "auto(p100 x3, 50ms..5s)",
        "auto(p99.95 x3, 50ms..5s)",
        "auto(p99 x0.9, 50ms..5s)",
        "auto(p99 x25.1, 50ms..5s)",
        "auto(p99 x1.25, 50ms..5s)",
        "auto(p99% x3, 50ms..5s)",
        "auto(p99 x3, 1500us..5s)",
        "auto(p99 x3, 50ms..61m)",
        "auto(p99 x99999999999999999999, 50ms..5s)",
        "auto (p99 x3, 50ms..5s)",
    };
    static const char *const far[] = {"auto(p99 x3, 5s..50ms)", "auto(p99 x3, 0ms..5s)"};
    char out[128], want[256];
    int64_t value;
    for (size_t i = 0; i < COUNT_OF(legal); i++) {
        check_value_round_trip(key, legal[i].text);
        CHECK(config_parse_value(key, legal[i].text, strlen(legal[i].text), &value, want, sizeof want));
        struct timeout_auto parts = timeout_unpack(value);
        CHECK(timeout_is_auto(value) && memcmp(&parts, &legal[i].parts, sizeof parts) == 0);
        CHECK_TEXT(config_format_value(key, value, out, sizeof out),
                   legal[i].formatted ? legal[i].formatted : legal[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        check_value_refused(key, broken[i],
                            "auto(pN xF, MIN..MAX): N from 50 to 99.9, F from 1 to 25, both with at most one decimal, "
                            "MIN and MAX whole milliseconds up to 1h, such as auto(p99 x3, 50ms..5s)");
    for (size_t i = 0; i < COUNT_OF(far); i++)
        check_value_refused(key, far[i], "bounds from 1ms to 1h, the lower one first, such as auto(p99 x3, 50ms..5s)");
    snprintf(want, sizeof want, "a duration from %s to %s, or off", key_info[key].min, key_info[key].max);
    check_value_refused(key, "1300000h", want); /* as many ns as an auto(...) is */
}

/* Of the values around every legal one, exactly the legal ones are taken from others' rules. */
static void test_auto_range(void)
{
    struct key_range range = key_range(KEY_timeout_connect_ns), plain = key_range(KEY_timeout_idle_ns);
    for (int round = 0; round < MUTATIONS; round++) {
        struct timeout_auto parts = {490 + next_random() % 520, 5 + next_random() % 251, next_random() % 5,
                                     next_random() % 4 ? next_random() % 5 : 3599998 + next_random() % 5};
        bool good = parts.quantile_permille >= 500 && parts.quantile_permille <= 999 && parts.factor_tenths >= 10 &&
                    parts.factor_tenths <= 250 && parts.min_ms >= 1 && parts.min_ms <= parts.max_ms &&
                    parts.max_ms <= 3600000;
        int64_t value = timeout_pack(parts);
        struct timeout_auto again = timeout_unpack(value);
        CHECK(memcmp(&parts, &again, sizeof parts) == 0);
        CHECK_INT(key_range_holds(&range, value), good);
        CHECK(!key_range_holds(&plain, value));
    }
    CHECK(key_range_holds(&range, S) && key_range_holds(&range, CONF_OFF) && !key_range_holds(&range, 0));
    CHECK(!key_range_holds(&range, INT64_MAX) && !key_range_holds(&range, TIMEOUT_AUTO));
}

static void test_numbers(int key)
{
    static const char *const nouns[] = {"a duration",
                                        "a whole number",
                                        "a percentage",
                                        "a number",
                                        "a rate",
                                        [KIND_AMOUNT] = "a number or size",
                                        [KIND_TIMEOUT] = "a duration"};
    static const char *const wants[] = {"a duration with its unit (us ms s m h), such as 5s",
                                        "a whole number, such as 5",
                                        "a percentage with its sign, such as 50%",
                                        "a number without a unit, such as 2 or 1.5",
                                        "a rate with its unit (/s /m /h), such as 100/s",
                                        [KIND_AMOUNT] =
                                            "a whole number, or a size with its unit (B KB MB), such as 64KB",
                                        [KIND_TIMEOUT] = "a duration with its unit (us ms s m h), such as 5s"};
    static const char *const wrong_units[] = {
        "5%", "5s", "5ms", "5s", "5s", [KIND_AMOUNT] = "5s", [KIND_TIMEOUT] = "5%"};
    const struct key_info *info = &key_info[key];
    bool off = strcmp(info->words, "off") == 0;
    int64_t low = 0, high = 0;
    char text[64], want[256];
    CHECK(config_parse_value(key, info->min, strlen(info->min), &low, want, sizeof want));
    CHECK(config_parse_value(key, info->max, strlen(info->max), &high, want, sizeof want));
    CHECK(low < high);
    check_value_round_trip(key, info->min);
    check_value_round_trip(key, info->max);
    check_value_round_trip(key, config_format_value(key, low + 1, text, sizeof text));
    snprintf(want, sizeof want, "%s from %s to %s%s", nouns[info->kind], info->min, info->max, off ? ", or off" : "");
    if (low > 0)
        check_value_refused(key, config_format_value(key, low - 1, text, sizeof text), want);
    check_value_refused(key, config_format_value(key, high + 1, text, sizeof text), want);
    check_value_refused(key, wrong_units[info->kind], wants[info->kind]);
    check_value_refused(key, "-1", wants[info->kind]);
    check_value_refused(key, "", wants[info->kind]);
    if (info->kind == KIND_DURATION || info->kind == KIND_PERCENT || info->kind == KIND_TIMEOUT)
        check_value_refused(key, "5", wants[info->kind]);
    if (off) {
        check_value_round_trip(key, "off");
        CHECK_INT(value_of(0, key), CONF_OFF);
    } else {
        check_value_refused(key, "off", wants[info->kind]);
    }
    if (info->kind == KIND_AMOUNT) {
        CHECK(compile_key(key, "64KB"));
        CHECK_INT(value_of(0, key), 65536);
    }
}

static void check_defaults(uint32_t destination)
{
    char want[256];
    for (int key = 0; key < KEY_COUNT; key++) {
        const char *text = key_info[key].def;
        int source = key_info[key].kind == KIND_WORD ? -1 : config_key(text, strlen(text));
        int64_t value = 0;
        if (source >= 0)
            value = value_of(destination, source);
        else if (key_info[key].kind != KIND_TEXT)
            CHECK(config_parse_value(key, text, strlen(text), &value, want, sizeof want));
        if (!CHECK_INT(value_of(destination, key), value))
            fprintf(stderr, "  of %s\n", key_info[key].name);
    }
}

static void test_keys(const char *top)
{
    char path[512], line[96];
    CHECK(compile_file("[destination d]\nmatch = *\n", NULL));
    test_observation_words();
    check_defaults(0);
    for (int key = 0; key < KEY_COUNT; key++) {
        if (key_info[key].kind == KIND_WORD)
            test_words(key);
        else if (key_info[key].kind == KIND_SET)
            test_set(key);
        else if (key_info[key].kind == KIND_JITTER || key_info[key].kind == KIND_BUDGET)
            test_composite(key);
        else if (key_info[key].kind != KIND_TEXT)
            test_numbers(key);
        if (key_info[key].kind == KIND_TIMEOUT)
            test_auto(key);
    }
    test_auto_range();
    snprintf(path, sizeof path, "%s/config/resil.conf", top);
    CHECK(compile(path, "[destination d]\nmatch = *\n"));
    check_defaults(0);
    CHECK(compile(path, NULL));
    CHECK_INT(rules->destinations, 0);
    FILE *file = fopen(path, "r");
    bool seen[KEY_COUNT] = {false};
    while (CHECK(file != NULL) && fgets(line, sizeof line, file))
        for (int key = 0; key < KEY_COUNT; key++)
            seen[key] |= strncmp(line, key_info[key].name, strcspn(line, " ")) == 0 &&
                         strlen(key_info[key].name) == strcspn(line, " ");
    for (int key = 0; key < KEY_COUNT; key++)
        CHECK(seen[key]);
    if (file)
        fclose(file);
    glob_t examples;
    snprintf(path, sizeof path, "%s/config/examples/*.conf", top);
    if (!CHECK(glob(path, 0, NULL, &examples) == 0))
        return;
    for (size_t row = 0; row < examples.gl_pathc; row++)
        if (!CHECK(compile(examples.gl_pathv[row], NULL)) || !CHECK(rules->destinations > 0))
            fprintf(stderr, "%s: %s\n", examples.gl_pathv[row], errors.text);
    globfree(&examples);
}

/* ---- precedence ------------------------------------------------------------------------------- */

/* Each says what it is named for, and leaves the breaker alone. */
static void test_retry_presets(void)
{
    static const struct {
        const char *name;
        int64_t attempts, base_ns, max_ns, backoff;
    } presets[] = {{"network", 3, 200 * MS, 5 * S, BACKOFF_EXPONENTIAL},
                   {"database_retry", 5, 100 * MS, 5 * S, BACKOFF_EXPONENTIAL},
                   {"critical_retry", 10, 500 * MS, 30 * S, BACKOFF_EXPONENTIAL},
                   {"quick", 2, 50 * MS, 5 * S, BACKOFF_CONSTANT}};
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "[destination a]\nmatch = a\npreset = critical %s\n", presets[i].name);
        CHECK(compile_file(text, NULL));
        CHECK_INT(value_of(0, KEY_retry_attempts), presets[i].attempts);
        CHECK_INT(value_of(0, KEY_retry_base_ns), presets[i].base_ns);
        CHECK_INT(value_of(0, KEY_retry_max_ns), presets[i].max_ns);
        CHECK_INT(value_of(0, KEY_retry_backoff), presets[i].backoff);
        CHECK_INT(value_of(0, KEY_breaker_failures), 10);
    }
    CHECK_INT(value_of(0, KEY_retry_jitter), 0);
}

static void test_precedence(void)
{
    CHECK(compile(NULL, NULL));
    CHECK_TEXT(name_of(0), "any");
    CHECK_INT(value_of(0, KEY_mode), MODE_OBSERVE);

    CHECK(compile_file("[defaults]\ntimeout.connect = 7s\npreset = critical\n"
                       "[destination a]\nmatch = a\npreset = api cache\n"
                       "[destination b]\nmatch = b\npreset = cache api\ntimeout.response = 1s\n"
                       "[destination c]\nmatch = c\n"
                       "[destination d]\nmatch = d\npreset = mine\n"
                       "[destination e]\nmatch = e\npreset = standard\n"
                       "[preset mine]\ntimeout.connect = 9s\ntimeout.probe = 1s\n",
                       NULL));
    CHECK_INT(value_of(0, KEY_timeout_connect_ns), 200 * MS);
    CHECK_INT(value_of(0, KEY_breaker_open_time_ns), 2 * S);
    CHECK_INT(value_of(0, KEY_breaker_successes), 3);
    CHECK_INT(value_of(1, KEY_timeout_connect_ns), 2 * S);
    CHECK_INT(value_of(1, KEY_timeout_probe_ns), 2 * S);
    CHECK_INT(value_of(1, KEY_timeout_response_ns), S);
    CHECK_INT(value_of(2, KEY_timeout_connect_ns), 7 * S);
    CHECK_INT(value_of(2, KEY_breaker_failures), 10);
    CHECK_INT(value_of(3, KEY_timeout_connect_ns), 9 * S);
    CHECK_INT(value_of(3, KEY_timeout_probe_ns), S);
    CHECK_INT(value_of(4, KEY_timeout_connect_ns), 5 * S);
    CHECK_INT(value_of(4, KEY_timeout_probe_ns), 5 * S);

    /* The inline text amends. */
    CHECK(compile_file(
        "[defaults]\nmode = observe\ntimeout.idle = 1s\n[destination a]\nmatch = a\ntimeout.connect = 1s\n",
        "mode = enforce; timeout.idle = 2s # said; [destination a]; timeout.connect = 3s; match = aa;"
        "chaos = \"refuse 1%; reset\"; [destination b]; match = b; preset = \"api\""));
    CHECK_INT(rules->destinations, 2);
    CHECK_INT(rules->matches, 3);
    CHECK_INT(value_of(0, KEY_mode), MODE_ENFORCE);
    CHECK_INT(value_of(0, KEY_timeout_idle_ns), 2 * S);
    CHECK_INT(value_of(0, KEY_timeout_connect_ns), 3 * S);
    CHECK_INT(value_of(1, KEY_timeout_connect_ns), 2 * S);
    CHECK_TEXT(rules_text(rules, value_of(0, KEY_chaos)), "refuse 1%; reset");
    CHECK_TEXT(rules_text(rules, value_of(1, KEY_chaos)), "");

    CHECK(compile(NULL, "[destination x]; match = x; mode = enforce"));
    CHECK_INT(rules->destinations, 2);
    CHECK_INT(value_of(0, KEY_mode), MODE_OBSERVE);
    CHECK_INT(value_of(1, KEY_mode), MODE_ENFORCE);
    CHECK(compile_file("[defaults]\nchaos = deny\n[destination a]\nmatch=a\n[destination b]\nmatch=b\nchaos=\n", NULL));
    CHECK_TEXT(rules_text(rules, value_of(0, KEY_chaos)), "deny");
    CHECK_INT(value_of(1, KEY_chaos), 0);
}

/* ---- endpoints -------------------------------------------------------------------------------- */

static void test_endpoints(void)
{
    static char text[1 << 16];
    size_t used = 0;
    CHECK(compile_file(
        "[defaults]\nendpoints = 10.0.0.1:80\n[destination a]\nmatch = a\n[destination b]\nmatch = b\n"
        "endpoints = 10.0.0.2:443 weight=5, [2001:db8::1]:8443 backup, unix:@x weight=2\nbalance = weighted\n"
        "[destination c]\nmatch = c\nendpoints =\n",
        NULL));
    const struct rule_destination *a = rules_destination(rules, 0), *b = rules_destination(rules, 1);
    CHECK_INT(a->endpoints, 1);
    CHECK_INT(a->cycle_length[0], 0); /* first needs no sequence */
    CHECK_INT(rules_destination(rules, 2)->endpoints, 0);
    CHECK_INT(b->endpoints, 3);
    const struct rule_endpoint *v4 = rules_endpoint(rules, b, 0), *v6 = rules_endpoint(rules, b, 1);
    CHECK(v4->family == AF_INET && v4->port == 443 && v4->weight == 5 && !v4->backup && v4->addr[3] == 2);
    CHECK(v6->family == AF_INET6 && v6->port == 8443 && v6->weight == 1 && v6->backup && v6->addr[15] == 1);
    CHECK_TEXT(rules_text(rules, v6->text), "[2001:db8::1]:8443");
    CHECK_TEXT(rules_text(rules, rules_endpoint(rules, b, 2)->text), "unix:@x");
    CHECK_TEXT(rules_text(rules, rules_endpoint(rules, a, 0)->text), "10.0.0.1:80");
    CHECK_INT(b->cycle_length[0], 7);
    CHECK(memcmp(rules_cycle(rules, b, 0), (const uint8_t[]){0, 2, 0, 0, 0, 2, 0}, 7) == 0);
    CHECK(b->cycle_length[1] == 1 && rules_cycle(rules, b, 1)[0] == 1);
    used = (size_t)snprintf(text, sizeof text, "[destination a]\nmatch = a\nendpoints = 10.1.0.0:1");
    for (int i = 1; i < 257; i++) {
        if (i == 256)
            CHECK(compile_file(text, NULL) && rules_destination(rules, 0)->endpoints == 256);
        used += (size_t)snprintf(text + used, sizeof text - used, ", 10.1.%d.%d:1", i / 256, i % 256);
    }
    CHECK(!compile_file(text, NULL));
    CHECK(strstr(errors.text, "endpoints: too many, want at most 256") != NULL);
}

/* ---- errors ----------------------------------------------------------------------------------- */

/* want: the errors without "DIRECTORY/main.conf:" at the beginning of each line; "" = no error. */
static const struct {
    const char *text, *want;
} error_rows[] = {
    {"", ""},
    {"\xef\xbb\xbf[defaults]\r\nmode = off\r\n\r\n# c\r\n", ""},
    {"[defaults] # c\n\tmode\t=\toff\t# c\n  # c", ""},
    {"[defaults]\nmode = off # \"c\n", ""},
    {"[destination a]\nmatch = unix:\"/a#b,c\"\n", ""},
    {"[defaults]\nmode = enforce\n[defaults]\nenforce = 1%\n", ""},
    {"[defaults]\ntimeout.connect = 5\n",
     "2:19: timeout.connect: got `5', want a duration with its unit (us ms s m h), such as 5s"},
    {"[defaults]\n  timeout.conect = 5s\n",
     "2:3: key: got `timeout.conect', want a known key; the nearest is timeout.connect"},
    {"[defaults]\nmacth = *\n", "2:1: key: got `macth', want a known key; the nearest is match"},
    {"[default]\nmode = off\n",
     "1:2: section: got `default', want [defaults], [preset NAME], [destination NAME], [check NAME] or [events]; the nearest is defaults"},
    {"[]\n", "1:2: section: got `', want [defaults], [preset NAME], [destination NAME], [check NAME] or [events]; the nearest is check"},
    {"[defaults\nmode = on\n", "1:1: section: got `[defaults', want a closing bracket\n"
                               "2:8: mode: got `on', want one of enforce observe off"},
    {"[defaults x]\n", "1:11: defaults: got `x', want no name"},
    {"[destination]\nmatch = *\n", "1:13: destination: got `', want a name of 1 to 63 letters, digits, _ . and -"},
    {"[destination a b]\nmatch = *\n",
     "1:14: destination: got `a b', want a name of 1 to 63 letters, digits, _ . and -"},
    {"[destination a]\nmode = off\n", "1:1: a: no match line, want match = PATTERN, ..."},
    {"[destination a]\nmatch = a\n[destination a]\nmatch = b\n",
     "3:14: destination: got `a', want each name once; it stands in %s/main.conf:1 already"},
    {"[preset api]\n", "1:9: preset: got `api', want a name that is not built in"},
    {"[preset p]\npreset = api\n", "2:1: got `preset', want preset in [defaults] or a [destination]"},
    {"[defaults]\nmatch = *\n", "2:1: got `match', want match in a [destination]"},
    {"[defaults]\npreset = apo\n", "2:10: preset: got `apo', want a preset; the nearest is api"},
    {"[defaults]\nmode = off\n\nmode = off\n",
     "4:1: mode: set twice in one section, want it once: first in %s/main.conf:2"},
    {"mode = off\n", "1:1: got `mode', want a section such as [defaults] before it"},
    {"[defaults]\nmode\n", "2:1: got `mode', want [SECTION] or KEY = VALUE"},
    {"[defaults]\nendpoints =\n", ""},
    {"[defaults]\nendpoints = 1.2.3.4:80, \"unix:/a,b\" backup weight=2\n", ""},
    {"[defaults]\nendpoints = 1.2.3.4\n",
     "2:13: endpoints: got `1.2.3.4', want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME"},
    {"[defaults]\nendpoints = a.example:80,\n",
     "2:13: endpoints: got `a.example:80', want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME\n"
     "2:26: endpoints: got `', want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME"},
    {"[defaults]\nendpoints = 1.2.3.4:0, [::1]:65536, [::1] , [::1:80, ::1:80\n",
     "2:21: endpoints: got `0', want a port from 1 to 65535\n2:30: endpoints: got `65536', want a port from 1 to "
     "65535\n"
     "2:42: endpoints: got `', want a colon and a port\n"
     "2:45: endpoints: got `[::1:80', want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME\n"
     "2:54: endpoints: got `::1:80', want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME"},
    {"[defaults]\nendpoints = 1.2.3.4:80 weight=0, 1.2.3.5:80 weight=1001, 1.2.3.6:80 wait=3\n",
     "2:31: endpoints: got `0', want a weight from 1 to 1000\n2:52: endpoints: got `1001', want a weight from 1 to "
     "1000\n"
     "2:69: endpoints: got `wait=3', want weight=N or backup"},
    {"[defaults]\nendpoints = 1.2.3.4:80, unix:/x, [::ffff:1.2.3.4]:80 weight=3, unix:/x\n",
     "2:34: endpoints: got `[::ffff:1.2.3.4]:80 weight=3', want each endpoint once\n"
     "2:64: endpoints: got `unix:/x', want each endpoint once"},
    {"[defaults]\nendpoints = unix:x, unix:/\n",
     "2:13: endpoints: got `unix:x', want unix:/PATH or unix:@NAME of at most 107 bytes\n"
     "2:21: endpoints: got `unix:/', want unix:/PATH or unix:@NAME of at most 107 bytes"},
    {"[defaults]\nchaos = \"refuse; refues\" # c\n", "2:18: chaos: got `refues', want a fault; the nearest is refuse"},
    {"[defaults]\nchaos = \"refuse\n", "2:9: got `\"refuse', want a closing quotation mark"},
    {"[defaults]\nmode = o\x01\n", "2:9: got `?', want text without control characters"},
    {"[defaults]\nmode\r = off\n", "2:5: got `?', want text without control characters"},
    {"[defaults]\ninclude = x\n", "2:1: got `include', want include before the first section"},
    {"[defaults]\nmode = on\nenforce = 1\nfirst_byte = x\n",
     "2:8: mode: got `on', want one of enforce observe off\n"
     "3:11: enforce: got `1', want a percentage with its sign, such as 50%\n"
     "4:14: first_byte: got `x', want one of auto client server none"},
};

/* Puts the file's name where the table leaves it out. */
static void expand(const char *want, char *out, size_t size)
{
    size_t used = 0;
    for (bool begin = true; *want; want++) {
        if (begin)
            used += (size_t)snprintf(out + used, size - used, "%s/main.conf:", directory);
        begin = *want == '\n';
        if (want[0] == '%' && want[1] == 's')
            used += (size_t)snprintf(out + used, size - used, "%s", directory), want++;
        else
            used += (size_t)snprintf(out + used, size - used, "%c", *want);
    }
    out[used] = '\0';
}

static void test_errors(void)
{
    char want[2048];
    for (size_t row = 0; row < COUNT_OF(error_rows); row++) {
        CHECK_INT(compile_file(error_rows[row].text, NULL), *error_rows[row].want == '\0');
        expand(error_rows[row].want, want, sizeof want);
        CHECK_TEXT(errors.text, want);
    }
    CHECK(!compile("/nonexistent/resil.conf", NULL));
    CHECK_TEXT(errors.text, "/nonexistent/resil.conf: cannot read: No such file or directory");
    CHECK(!compile("/etc", NULL));
    CHECK_TEXT(errors.text, "/etc: cannot read: Is a directory");
    CHECK(compile("/dev/null", NULL));
    CHECK(!compile("/dev/zero", NULL));
    CHECK_TEXT(errors.text, "/dev/zero: cannot read: larger than 1 MiB");
    CHECK(!compile(NULL, "mode = enforce; mode = observe\n  timeout.idle = \"1\""));
    CHECK_TEXT(errors.text, "RESIL_RULES:2:2: mode: set twice in one section, want it once: first in RESIL_RULES:1\n"
                            "RESIL_RULES:3:19: timeout.idle: got `1', want a duration with its unit (us ms s m h), "
                            "such as 5s");
    CHECK(!compile(NULL, "include = x.conf"));
    CHECK_TEXT(errors.text, "RESIL_RULES:1:11: include: got `x.conf', want an absolute file name");
}

static void test_include(void)
{
    char want[2048], text[512];
    write_file("a.conf", "[destination a]\nmatch = a\n", 26);
    write_file("b.conf", "[destination b]\nmatch = b\n", 26);
    write_file(".hidden.conf", "nonsense\n", 9);
    CHECK(compile_file("include = [0-9]*.conf\ninclude = none/*.conf\ninclude = ?.conf # c\n[destination c]\nmatch=c\n",
                       NULL));
    CHECK_INT(rules->destinations, 3);
    CHECK_TEXT(name_of(0), "a");
    CHECK_TEXT(name_of(1), "b");
    CHECK_TEXT(name_of(2), "c");
    CHECK(!compile_file("include = d.conf\ninclude = */x.conf\ninclude = a.conf\ninclude = a.conf\ninclude =\n", NULL));
    snprintf(want, sizeof want,
             "%s/main.conf:1:11: include: got `%s/d.conf', want a file that can be read: No such file or directory\n"
             "%s/main.conf:2:11: include: got `*/x.conf', want wildcards only behind the last /\n"
             "%s/a.conf:1:14: destination: got `a', want each name once; it stands in %s/a.conf:1 already\n"
             "%s/main.conf:5:10: include: got `', want a file name",
             directory, directory, directory, directory, directory, directory);
    CHECK_TEXT(errors.text, want);
    CHECK(!compile_file("include = *.conf\n", NULL));
    snprintf(want, sizeof want, "%s/main.conf:1:11: include: got `%s/main.conf', want no file that includes itself",
             directory, directory);
    CHECK_TEXT(errors.text, want);
    snprintf(text, sizeof text, "include = %s/a.conf; [destination z]; match = z", directory);
    CHECK(compile(NULL, text));
    CHECK_INT(rules->destinations, 3);
    for (int level = 1; level <= 9; level++) {
        char name[32];
        snprintf(name, sizeof name, "level%d", level);
        int length = snprintf(text, sizeof text, "include = level%d\n", level + 1);
        write_file(name, text, level < 8 ? (size_t)length : 0);
    }
    CHECK(compile_file("include = level1\n", NULL));
    write_file("level8", "include = level9", 16);
    CHECK(!compile_file("include = level1\n", NULL));
    CHECK_INT(errors.count, 1);
    CHECK(strstr(errors.text, "want at most 8 levels of files") != NULL);
}

static void write_numbered(int from, int to, const char *format, const char *tail, size_t tail_bytes)
{
    static char text[RULES_BYTES];
    for (int index = from; index < to; index++) {
        char name[32];
        snprintf(name, sizeof name, "many%d", index);
        int head = snprintf(text, sizeof text, format, index);
        if (tail_bytes)
            memset(text + head, *tail, tail_bytes);
        write_file(name, text, (size_t)head + tail_bytes);
    }
}

static void test_many_files(void)
{
    char text[2048] = "[defaults]\npreset =";
    write_numbered(0, 255, "[destination d%d]\nmatch = *\n", "", 0);
    CHECK(compile_file("include = many*\n", NULL));
    CHECK_INT(rules->destinations, 255);
    CHECK(!compile_file("include = many1\ninclude = many*\n", NULL));
    CHECK(strstr(errors.text, "many*', want at most 256 included files") != NULL);
    CHECK_INT(errors.count, 1);
    write_numbered(0, 40, "[preset p%d]\nchaos = refuse ", ";", RULES_BYTES - 64);
    CHECK(!compile_file("include = many?\ninclude = many1?\ninclude = many2?\ninclude = many3?\n", NULL));
    CHECK(strstr(errors.text, "needs more memory") != NULL);
    for (int index = 0; index < 33; index++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " api");
    CHECK(!compile_file(text, NULL));
    CHECK(strstr(errors.text, "at most 32 presets") != NULL);
    for (int index = 0; index < 255; index++) {
        snprintf(text, sizeof text, "%s/many%d", directory, index);
        remove(text);
    }
}

static void test_find_file(void)
{
    char out[256], path[256];
    CHECK_TEXT(config_find_file("/no/such", NULL, NULL, out, sizeof out), "/no/such");
    snprintf(path, sizeof path, "%s/resil", directory);
    mkdir(path, 0700);
    write_file("resil/resil.conf", "", 0);
    snprintf(path, sizeof path, "%s/resil/resil.conf", directory);
    CHECK_TEXT(config_find_file(NULL, directory, "/nowhere", out, sizeof out), path);
    CHECK_TEXT(config_find_file("", directory, NULL, out, sizeof out), path);
    snprintf(path, sizeof path, "%s/.config", directory);
    CHECK(symlink(".", path) == 0);
    snprintf(path, sizeof path, "%s/.config/resil/resil.conf", directory);
    CHECK_TEXT(config_find_file(NULL, NULL, directory, out, sizeof out), path);
    bool system_wide = access("/etc/resil/resil.conf", F_OK) == 0;
    CHECK_TEXT(config_find_file(NULL, "/nowhere", directory, out, sizeof out),
               system_wide ? "/etc/resil/resil.conf" : NULL);
}

/* ---- matching --------------------------------------------------------------------------------- */

static int find(const char *address, uint16_t port, const char *name, const char *program, uint32_t uid)
{
    struct match_query query = {.port = port, .name = name, .program = program, .uid = uid};
    if (address[0] == '/' || address[0] == '@') {
        query.family = AF_UNIX;
        query.path = address;
    } else {
        query.family = strchr(address, ':') ? AF_INET6 : AF_INET;
        CHECK(inet_pton(query.family, address, query.addr) == 1);
    }
    return rules_find(rules, &query, NULL);
}

static void test_match(void)
{
    static const struct {
        const char *name, *patterns;
    } destinations[] = {
        {"any", "*"},
        {"any443", "*:443"},
        {"net8", "10.0.0.0/8"},
        {"net16", "10.1.255.255/16"},
        {"net16port", "10.1.0.0/16:80-90"},
        {"net16narrow", "10.1.0.0/16:85-86"},
        {"suffix", "*.Example.com."},
        {"suffix2", "*.db.example.com"},
        {"name", "WWW.example.com."},
        {"nameport", "www.example.com:80"},
        {"nameapp", "www.example.com app=curl* uid=7"},
        {"addr", "10.1.2.3, ::1, [fe80::1]:22"},
        {"mapped", "::ffff:9.9.9.9, ::ffff:8.0.0.0/104"},
        {"v6net", "[2001:db8::/32]:443, 2001:db8:1::/48"},
        {"path", "unix:/run/a.sock"},
        {"paths", "unix:/run/*"},
        {"paths2", "unix:/run/db/*"},
        {"abstract", "unix:@x"},
        {"late", "www.example.com:80, 10.1.2.3, *:443"},
    };
    static const struct {
        const char *address;
        uint16_t port;
        const char *name, *program;
        uint32_t uid;
        const char *want;
    } queries[] = {
        {"9.0.0.1", 1, NULL, NULL, 0, "any"},
        {"9.0.0.1", 443, NULL, NULL, 0, "any443"},
        {"10.9.0.1", 443, NULL, NULL, 0, "net8"},
        {"10.1.0.1", 79, NULL, NULL, 0, "net16"},
        {"10.1.0.1", 80, NULL, NULL, 0, "net16port"},
        {"10.1.0.1", 90, NULL, NULL, 0, "net16port"},
        {"10.1.0.1", 86, NULL, NULL, 0, "net16narrow"},
        {"10.1.2.3", 86, NULL, NULL, 0, "addr"},
        {"10.1.2.3", 86, "a.example.com", NULL, 0, "addr"},
        {"10.1.2.3", 86, "WWW.EXAMPLE.COM.", NULL, 0, "name"},
        {"1.1.1.1", 80, "www.example.com", NULL, 0, "nameport"},
        {"1.1.1.1", 80, "www.example.com", "curl", 7, "nameport"},
        {"1.1.1.1", 81, "www.example.com", "curl", 7, "nameapp"},
        {"1.1.1.1", 81, "www.example.com", "curl", 8, "name"},
        {"1.1.1.1", 81, "www.example.com", "wget", 7, "name"},
        {"1.1.1.1", 81, "x.y.example.com", NULL, 0, "suffix"},
        {"1.1.1.1", 81, "x.db.example.com", NULL, 0, "suffix2"},
        {"1.1.1.1", 81, "example.com", NULL, 0, "any"},
        {"1.1.1.1", 81, "notexample.com", NULL, 0, "any"},
        {"::1", 81, NULL, NULL, 0, "addr"},
        {"fe80::1", 22, NULL, NULL, 0, "addr"},
        {"fe80::1", 23, NULL, NULL, 0, "any"},
        {"9.9.9.9", 1, NULL, NULL, 0, "mapped"},
        {"8.1.1.1", 1, NULL, NULL, 0, "mapped"},
        {"2001:db8:2::1", 443, NULL, NULL, 0, "v6net"},
        {"2001:db8:2::1", 80, NULL, NULL, 0, "any"},
        {"2001:db8:1::1", 80, NULL, NULL, 0, "v6net"},
        {"/run/a.sock", 0, NULL, NULL, 0, "path"},
        {"/run/a.sock2", 0, NULL, NULL, 0, "paths"},
        {"/run/db/1", 0, NULL, NULL, 0, "paths2"},
        {"@x", 0, NULL, NULL, 0, "abstract"},
        {"@xx", 0, NULL, NULL, 0, "-"},
    };
    char text[4096] = "";
    for (size_t row = 0; row < COUNT_OF(destinations); row++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "[destination %s]\nmatch = %s\n",
                 destinations[row].name, destinations[row].patterns);
    if (!CHECK(compile_file(text, NULL)))
        fprintf(stderr, "%s\n", errors.text);
    for (size_t row = 0; row < COUNT_OF(queries); row++)
        if (!CHECK_TEXT(name_of(find(queries[row].address, queries[row].port, queries[row].name, queries[row].program,
                                     queries[row].uid)),
                        queries[row].want))
            fprintf(stderr, "  for %s:%u %s\n", queries[row].address, queries[row].port,
                    queries[row].name ? queries[row].name : "");
    CHECK(compile_file("[destination a]\nmatch = a\n", NULL));
    CHECK_INT(find("1.1.1.1", 1, NULL, NULL, 0), -1);
}

static void test_bad_patterns(void)
{
    static const char *const patterns[] = {
        "",
        ",",
        "a,",
        "a:",
        "a:0",
        "a:65536",
        "a:9-8",
        "a:x",
        "a:1-",
        "a b",
        "a app=",
        "a uid=x",
        "a uid=-1",
        "a uid=4294967296",
        "a uid=1 uid=2",
        "*.",
        "*a",
        "a.*",
        "a..b",
        ".a",
        "a_*",
        "1.2.3",
        "256.1.1.1",
        "1.2.3.4.5",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "[::1",
        "[::1]x",
        "[1.2.3.4]",
        "[a]:1",
        "::g",
        "1::/129",
        "fe80::1%eth0",
        "a/8",
        "unix:",
        "unix:x",
        "unix:/",
        "unix:/a*b",
        "unix:@",
        "*:x",
        "a!",
        "\xc3\xa4.de",
        "http://a",
        "a app=x app=y",
    };
    char text[512];
    for (size_t row = 0; row < COUNT_OF(patterns); row++) {
        snprintf(text, sizeof text, "[destination a]\nmatch = %s\n", patterns[row]);
        if (!CHECK(!compile_file(text, NULL)) || !CHECK(strstr(errors.text, ": match: got `") != NULL))
            fprintf(stderr, "  in \"%s\"\n", patterns[row]);
    }
    CHECK(compile_file("[destination a]\nmatch = unix:*, *:1-65535 , unix:@a* app=\"x y\" uid=0\n", NULL));
    CHECK_INT(rules->matches, 3);
    CHECK_TEXT(rules_text(rules, rules_match(rules, 2)->app), "x y");
    CHECK_INT(rules_match(rules, 2)->line, 2);
    CHECK_INT(rules_match(rules, 1)->port_high, 65535);
}

/* ---- limits and garbage ----------------------------------------------------------------------- */

static void compile_bytes(const char *bytes, size_t length)
{
    compile(write_file("main.conf", bytes, length), NULL);
}

static void test_limits(void)
{
    size_t size = RULES_BYTES + 2, used = 0;
    char *text = malloc(size);
    memset(text, 'a', size);
    compile_bytes(text, RULES_BYTES);
    CHECK_INT(errors.count, 1);
    compile_bytes(text, RULES_BYTES + 1);
    CHECK(strstr(errors.text, "larger than 1 MiB") != NULL);
    memcpy(text, "[destination a]\nmatch = ", 24);
    compile_bytes(text, RULES_BYTES);
    for (size_t at = 25; at < RULES_BYTES; at += 2)
        text[at] = ',';
    compile_bytes(text, RULES_BYTES - 1);
    CHECK(strstr(errors.text, "too many patterns") != NULL);
    CHECK_INT(errors.count, 1);
    compile_bytes(text, 24 + 2 * 19999 - 1);
    CHECK(strstr(errors.text, "too large") != NULL);
    for (int index = 0; index < 901; index++) {
        used += (size_t)snprintf(text + used, size - used, "[destination d%d]\nmatch = h%d\n", index, index);
        if (index == 899) {
            compile_bytes(text, used);
            CHECK_INT(errors.count, 0);
            CHECK_INT(rules->destinations, 900);
        }
    }
    compile_bytes(text, used);
    CHECK(strstr(errors.text, "too many, want at most 900") != NULL);
    for (size_t at = 0; at + 1 < RULES_BYTES; at += 2)
        memcpy(text + at, "x\n", 2);
    compile_bytes(text, RULES_BYTES);
    CHECK_INT(errors.count, RULES_BYTES / 2);
    CHECK(errors.used < sizeof errors_buffer && strlen(errors.text) == errors.used);
    struct config_errors silent = {NULL, 0, 0, 0};
    struct config_input input = {.inline_text = "x"};
    size_t written;
    CHECK(!config_compile(&input, rules_buffer, sizeof rules_buffer, &silent, &written));
    CHECK_INT(silent.count, 1);
    input.inline_text = NULL;
    CHECK(!config_compile(&input, rules_buffer, 300, &silent, &written));
    for (size_t at = 0; at < RULES_BYTES; at++)
        text[at] = (char)next_random();
    compile_bytes(text, RULES_BYTES);
    memset(text, 0, RULES_BYTES);
    compile_bytes(text, RULES_BYTES);
    CHECK_INT(errors.count, 1);
    memset(text, '"', RULES_BYTES);
    compile_bytes(text, RULES_BYTES - 1);
    CHECK_INT(errors.count, 1);
    memset(text, '#', RULES_BYTES + 1);
    text[RULES_BYTES + 1] = '\0';
    CHECK(!compile(NULL, text));
    CHECK_TEXT(errors.text, "RESIL_RULES: larger than 1 MiB");
    free(text);
}

/* A few edits: bytes replaced, removed, doubled, or stretches moved about. */
static size_t mutate(char *bytes, size_t length, size_t size)
{
    for (uint32_t edits = next_random() % 8 + 1; edits && length > 2; edits--) {
        size_t at = next_random() % length, other = next_random() % length;
        size_t span = next_random() % 64;
        span = span < length - (at > other ? at : other) ? span : length - (at > other ? at : other);
        switch (next_random() % 5) {
        case 0:
            bytes[at] = (char)next_random();
            break;
        case 1:
            bytes[at] = "\"#;=[]\n,:*%.- \r@/\x00"[next_random() % 18];
            break;
        case 2:
            memmove(bytes + at, bytes + at + span, length - at - span);
            length -= span;
            break;
        case 3:
            if (length + span > size)
                break;
            memmove(bytes + at + span, bytes + at, length - at);
            length += span;
            break;
        default:
            memmove(bytes + at, bytes + other, span);
        }
    }
    return length;
}

static void test_text_mutations(const char *top)
{
    char path[512];
    static char original[32768], bytes[40000];
    snprintf(path, sizeof path, "%s/config/resil.conf", top);
    FILE *file = fopen(path, "r");
    if (!CHECK(file != NULL))
        return;
    size_t length = fread(original, 1, sizeof original, file);
    fclose(file);
    /* The samples behind "# [" become live text, so that every line of the reference is mutated. */
    static const char extra[] = "\n[destination payments]\nmatch = payments.example.com:443, *.pay.example.com:443\n"
                                "match = 10.20.0.0/16:8000-8999 app=worker* uid=1000, [2001:db8::/32]:1, unix:@a*\n"
                                "preset = api critical\ntimeout.connect = auto(p99.9 x2.5, 50ms..5s)\nchaos = db: "
                                "latency=200ms~50ms@read 10% count=1; refuse 1%\n";
    memcpy(original + length, extra, sizeof extra - 1);
    length += sizeof extra - 1;
    for (int round = 0; round < MUTATIONS; round++) {
        memcpy(bytes, original, length);
        size_t mutated = mutate(bytes, length, sizeof bytes - 1);
        if (round % 4 == 0) {
            compile_bytes(bytes, mutated);
            continue;
        }
        bytes[mutated] = '\0';
        compile(NULL, bytes + strspn(bytes, "#"));
    }
}

/* Everything that a reader may do with a block that was accepted. */
static size_t walk(const struct rules *block)
{
    size_t sum = 0;
    struct match_query query = {.family = AF_INET, .port = 443, .name = "www.example.com", .program = "worker"};
    for (int family = 0; family < 3; family++) {
        query.family = (const int[]){AF_INET, AF_INET6, AF_UNIX}[family];
        query.path = family == 2 ? "/run/x" : NULL;
        sum += (size_t)rules_find(block, &query, NULL);
    }
    for (uint32_t index = 0; index < block->destinations; index++) {
        const struct rule_destination *row = rules_destination(block, index);
        char out[64];
        sum += strlen(rules_text(block, row->name));
        for (int key = 0; key < KEY_COUNT; key++) {
            int64_t value = ((const int64_t *)&row->conf)[key];
            sum += key_info[key].kind == KIND_TEXT ? strlen(rules_text(block, value))
                                                   : strlen(config_format_value(key, value, out, sizeof out));
        }
        for (uint32_t endpoint = 0; endpoint < row->endpoints; endpoint++) {
            const struct rule_endpoint *at = rules_endpoint(block, row, endpoint);
            sum += strlen(rules_text(block, at->text)) + at->weight;
        }
        for (uint32_t tier = 0; tier < 2; tier++)
            for (uint32_t turn = 0; turn < row->cycle_length[tier]; turn++)
                CHECK(rules_cycle(block, row, tier)[turn] < row->endpoints);
    }
    for (uint32_t index = 0; index < block->matches; index++) {
        const struct rule_match *row = rules_match(block, index);
        CHECK(row->destination < block->destinations);
        sum += strlen(rules_text(block, row->text)) + strlen(rules_text(block, row->app));
    }
    return sum;
}

static void test_block_mutations(void)
{
    static const char text[] = "[defaults]\nchaos = refuse 1%\nbalance = weighted\n"
                               "endpoints = 1.2.3.4:80 weight=3, unix:/x, [::1]:80 backup\n"
                               "[destination a]\nmatch = a:1, *.b, 1.2.3.4/8 app=w*\n"
                               "timeout.response = auto(p99 x3, 50ms..5s)\n"
                               "[destination b]\nmatch = [::1]:443, unix:/run/*, * uid=7\n";
    size_t accepted = 0, sum = 0;
    CHECK(compile_file(text, NULL));
    size_t bytes = rules->bytes;
    uint8_t *block = malloc(bytes); /* exactly as large, so that a sanitizer sees every byte too far */
    for (int round = 0; round < MUTATIONS; round++) {
        memcpy(block, rules_buffer, bytes);
        for (uint32_t edits = next_random() % 3 + 1; edits; edits--) {
            uint32_t value = next_random() % 3 ? next_random() % 512 : next_random();
            size_t at = next_random() % 2 ? next_random() % 16 * 4 : next_random() % (bytes - 4);
            memcpy(block + at, &value, next_random() % 4 + 1);
        }
        struct rules *header = (struct rules *)(void *)block;
        header->magic = RULES_MAGIC;
        if (header->bytes >= sizeof *header && header->bytes <= bytes)
            header->crc = crc32_update(0, block + 8, header->bytes - 8);
        if (rules_valid(block, bytes)) {
            accepted++;
            sum += walk(header);
        }
    }
    CHECK(accepted > 100 && accepted < MUTATIONS && sum > 0);
    memcpy(block, rules_buffer, bytes);
    for (size_t at = 0; at < bytes; at++) { /* without a new crc every single byte counts */
        block[at] ^= 1;
        CHECK(!rules_valid(block, bytes));
        block[at] ^= 1;
        CHECK(!rules_valid(block, at));
    }
    free(block);
}

int main(int argc, char **argv)
{
    const char *top = argc > 1 ? argv[1] : ".";
    snprintf(directory, sizeof directory, "/tmp/test_config.XXXXXX");
    if (!CHECK(mkdtemp(directory) != NULL))
        return check_end();
    test_units();
    test_text();
    test_chaos();
    test_keys(top);
    test_retry_presets();
    test_precedence();
    test_endpoints();
    test_errors();
    test_include();
    test_many_files();
    test_find_file();
    test_match();
    test_bad_patterns();
    test_limits();
    test_text_mutations(top);
    test_block_mutations();
    static const char *const files[] = {"main.conf", "a.conf", "b.conf", ".hidden.conf", ".config", "resil/resil.conf",
                                        "resil",     "level1", "level2", "level3",       "level4",  "level5",
                                        "level6",    "level7", "level8", "level9",       ""};
    for (size_t row = 0; row < COUNT_OF(files); row++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", directory, files[row]);
        remove(path);
    }
    return check_end();
}
