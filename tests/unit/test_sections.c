/* SPDX-License-Identifier: MIT
 * [check NAME], [events] and health.degraded_code: what the text says, as rules; every error in its place; no block of
 * bytes that is accepted leads outside. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/crc32.h"
#include "config/compile.h"
#include "config/rules.h"
#include "config/target.h"
#include "tests/unit/check.h"

enum { RULES_BYTES = 1 << 20, MUTATIONS = 20000 };

static _Alignas(16) char buffer[RULES_BYTES];
static const struct rules *const rules = (const struct rules *)(const void *)buffer;
static char errors_text[8192];
static struct config_errors errors = {errors_text, sizeof errors_text, 0, 0};

/* ';' is a line end. */
static bool compile(const char *text)
{
    struct config_input input = {.inline_text = text};
    size_t written = 0;
    bool good = config_compile(&input, buffer, sizeof buffer, &errors, &written);
    if (good)
        CHECK(rules_valid(buffer, written) && !rules_valid(buffer, written - 1));
    return good;
}

static const char some[] = "[check db];postgres = db.example.com;timeout = 1s;interval = 2s;rise = 1;fall = 4;"
                           "[check memory];memory = 90%;critical = off;type = liveness;"
                           "[check licence];exec = \"test -e /x; true\";"
                           "[events];exec = notify;exec.rate = 5/m;log = /var/log/x;syslog = on;on = state rejected;"
                           "[defaults];health.degraded_code = 503";

static void test_values(void)
{
    if (!CHECK(compile(some)) || !CHECK_INT(rules->checks, 3))
        return;
    const struct rule_check *db = rules_check(rules, 0), *memory = rules_check(rules, 1);
    CHECK_TEXT(rules_text(rules, db->name), "db");
    CHECK_TEXT(rules_text(rules, db->target), "db.example.com");
    CHECK_INT(db->kind, PROBE_POSTGRES);
    CHECK_INT(db->interval_ns, 2000000000);
    CHECK_INT(db->timeout_ns, 1000000000);
    CHECK(db->rise == 1 && db->fall == 4 && db->critical == 1 && db->type == CHECK_READINESS);
    CHECK(memory->kind == PROBE_MEMORY && memory->critical == 0 && memory->type == CHECK_LIVENESS);
    CHECK(memory->interval_ns == 5000000000 && memory->timeout_ns == 3000000000 && memory->rise == 2 &&
          memory->fall == 3);
    CHECK_TEXT(rules_text(rules, rules_check(rules, 2)->target), "test -e /x; true");
    CHECK_INT(rules->degraded_code, 503);
    CHECK_TEXT(rules_text(rules, rules->event_exec), "notify");
    CHECK_TEXT(rules_text(rules, rules->event_log), "/var/log/x");
    CHECK_TEXT(rules_text(rules, rules->event_syslog), "on");
    CHECK_INT(rules->event_exec_rate, 300);
    CHECK_INT(rules->event_kinds, 1 << EVENT_STATE | 1 << EVENT_REJECTED);
}

static void test_defaults(void)
{
    CHECK(compile("[events];syslog = off"));
    CHECK_INT(rules->checks, 0);
    CHECK_INT(rules->degraded_code, 200);
    CHECK(rules->event_exec == 0 && rules->event_log == 0 && rules->event_syslog == 0);
    CHECK_INT(rules->event_exec_rate, 36000);
    CHECK(rules->event_kinds & 1 << EVENT_STATE && rules->event_kinds & 1 << EVENT_CONFIG_ERROR);
    CHECK(!(rules->event_kinds & (1 << EVENT_REJECTED | 1 << EVENT_FAILED | 1 << EVENT_NONE)));
}

/* Places are lines of the inline text. */
static void test_errors(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"[check a];tcp = x", "2:7: tcp: got `x', want HOST:PORT or unix:/PATH, such as db.example.com:5432"},
        {"[check a];tcp = x:1;timout = 1s", "3:1: key: got `timout', want a key of a [check]; the nearest is timeout"},
        {"[check a];tcp = x:1;interval = 5",
         "3:12: interval: got `5', want a duration with its unit (us ms s m h), such as 5s"},
        {"[check a];tcp = x:1;interval = 1ms", "3:12: interval: got `1ms', want a duration from 50ms to 24h"},
        {"[check a];tcp = x:1;type = live", "3:8: type: got `live', want one of liveness readiness"},
        {"[check a];rise = 2", "1:1: a: nothing is asked, want one of tcp, http, redis, postgres, exec and memory"},
        {"[check a];redis = x;memory = 9%", "3:1: memory: a check asks one thing; [check a] has another in line 2"},
        {"[check a];tcp = x:1;[check a];tcp = x:2",
         "3:8: check: got `a', want each name once; it stands in RESIL_RULES:1 already"},
        {"[check a];tcp = x:1;tcp = x:2", "3:1: tcp: set twice in one section, want it once: first in RESIL_RULES:2"},
        {"[check a];tcp = x:1;preset = api", "3:1: got `preset', want preset in [defaults] or a [destination]"},
        {"[check a];memory = 90",
         "2:10: memory: got `90', want the share of memory in use that is too much, such as 90%"},
        {"[check a];memory = 101%",
         "2:10: memory: got `101%', want the share of memory in use that is too much, such as 90%"},
        {"[check a];exec =", "2:7: exec: got `', want a command, such as /usr/local/bin/licence-is-valid"},
        {"[check a b];tcp = x:1", "1:8: check: got `a b', want a name of 1 to 63 letters, digits, _ . and -"},
        {"[events x]", "1:9: events: got `x', want no name"},
        {"[events];log = x", "2:7: log: got `x', want stderr, or a path from /"},
        {"[events];syslog = yes", "2:10: syslog: got `yes', want on, off, or unix:/PATH of a socket"},
        {"[events];exec.rate = 5", "2:13: exec.rate: got `5', want a rate with its unit (/s /m /h), such as 100/s"},
        {"[events];mode = off", "2:1: key: got `mode', want a key of [events]; the nearest is log"},
        {"[defaults];health.degraded_code = 199",
         "2:24: health.degraded_code: got `199', want an HTTP status from 200 to 599"},
        {"[check a];tcp = x:1;health.degraded_code = 200",
         "3:1: got `health.degraded_code', want health.degraded_code in [defaults]"},
    };
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        char want[512];
        snprintf(want, sizeof want, "RESIL_RULES:%s", rows[row].want);
        CHECK(!compile(rows[row].text));
        CHECK_TEXT(errors_text, want);
    }
}

static void test_too_many(void)
{
    char text[8192];
    size_t used = 0;
    for (int i = 0; i <= RULES_CHECKS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "[check c%d];tcp = x:1;", i);
    CHECK(!compile(text));
    CHECK_TEXT(errors_text, "RESIL_RULES:129:8: check: too many, want at most 64");
}

static uint32_t next_random(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static size_t walk(const struct rules *block)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < block->checks; i++) {
        const struct rule_check *row = rules_check(block, i);
        const char *text = rules_text(block, row->target);
        struct target target;
        CHECK(target_parse((enum probe_kind)row->kind, text, strlen(text), &target));
        CHECK(row->interval_ns > 0 && row->timeout_ns > 0 && row->rise > 0 && row->fall > 0);
        sum += strlen(rules_text(block, row->name));
    }
    CHECK(block->degraded_code >= 200 && block->degraded_code < 600);
    return sum + strlen(rules_text(block, block->event_exec)) + strlen(rules_text(block, block->event_log));
}

static void test_mutations(void)
{
    size_t accepted = 0, sum = 0;
    CHECK(compile(some));
    size_t bytes = rules->bytes;
    uint8_t *block = malloc(bytes);
    for (int round = 0; round < MUTATIONS; round++) {
        struct rules *header = (struct rules *)(void *)block;
        memcpy(block, buffer, bytes);
        for (uint32_t edits = next_random() % 3 + 1; edits; edits--) {
            uint32_t value = next_random() % 3 ? next_random() % 512 : next_random();
            size_t at = next_random() % 2 ? rules->checks_at + next_random() % 42 * 4 : next_random() % (bytes - 4);
            memcpy(block + at, &value, next_random() % 4 + 1);
        }
        header->magic = RULES_MAGIC;
        if (header->bytes >= sizeof *header && header->bytes <= bytes)
            header->crc = crc32_update(0, block + 8, header->bytes - 8);
        if (rules_valid(block, bytes)) {
            accepted++;
            sum += walk(header);
        }
    }
    CHECK(accepted > 100 && accepted < MUTATIONS && sum > 0);
    free(block);
}

int main(void)
{
    test_values();
    test_defaults();
    test_errors();
    test_too_many();
    test_mutations();
    return check_end();
}
