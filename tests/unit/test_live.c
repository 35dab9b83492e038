/* SPDX-License-Identifier: MIT
 * What is laid over the rules: which value stands when, and that a damaged block is never believed. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "config/overlay.h"
#include "tests/unit/check.h"

enum { ROOM = 1 << 16 };
#define S 1000000000ull

static _Alignas(16) uint8_t block[ROOM], copy[ROOM];
static char text[2048];
static struct config_errors errors = {.text = text, .size = sizeof text};

static const struct overlay_value values[] = {
    {.destination = "a", .key = KEY_bulkhead_limit, .value = "5", .source = LIVE_SET, .until_ns = LIVE_FOREVER},
    {.destination = "b", .key = KEY_endpoints, .value = "10.0.0.1:1 weight=2, unix:/x", .until_ns = 30 * S},
    {.destination = "a", .key = KEY_bulkhead_limit, .value = "4", .source = LIVE_SET, .until_ns = 20 * S},
    {.destination = "a", .key = KEY_timeout_connect_ns, .value = "3s", .source = LIVE_SET, .until_ns = 40 * S},
    {.destination = "a", .key = KEY_bulkhead_limit, .value = "9", .source = LIVE_FOUND, .until_ns = 50 * S},
    {.destination = "c", .key = KEY_chaos, .value = "refuse", .source = LIVE_SET, .until_ns = 5 * S},
};
static struct overlay overlay = {
    .origin = {.config_path = "/etc/x.conf", .inline_text = "mode = off", .program = "somebody-with-a-long-name"},
    .value = values,
    .values = sizeof values / sizeof values[0],
};

static size_t build(uint64_t now_ns)
{
    static const char rules_text_of[] = "[destination a]; match = a; [destination b]; match = b; balance = weighted; "
                                        "fallback = 10.0.0.9:9; [destination c]; match = c; timeout.probe = 1s";
    struct config_input input = {.path = "/dev/null", .inline_text = rules_text_of};
    size_t bytes;
    CHECK(config_compile(&input, block, sizeof block, &errors, &bytes));
    errors.used = errors.count = 0;
    return overlay_emit((const struct rules *)block, &overlay, now_ns, block, sizeof block, &errors);
}

static const struct rules *base(void)
{
    return (const struct rules *)block;
}

/* The value of a key of a destination at a time. */
static int64_t value_at(const struct live *live, uint32_t destination, int key, uint64_t now_ns)
{
    int row = live_row(live, destination, now_ns);
    const struct rules *rules = row < 0 ? base() : live_rules(live);
    const struct rule_destination *found = rules_destination(rules, row < 0 ? destination : (uint32_t)row);
    CHECK(strcmp(rules_text(rules, found->name), rules_text(base(), rules_destination(base(), destination)->name)) ==
          0);
    return ((const int64_t *)&found->conf)[key];
}

static void test_times(void)
{
    size_t bytes = build(10 * S);
    const struct live *live = live_find(base(), bytes);
    CHECK(live != NULL && live->overrides == 5); /* one had ended */
    if (!live)
        return;
    CHECK_INT(value_at(live, 0, KEY_bulkhead_limit, 20 * S - 1), 4);
    CHECK_INT(value_at(live, 0, KEY_bulkhead_limit, 20 * S), 5);
    CHECK_INT(value_at(live, 0, KEY_bulkhead_limit, 1000 * S), 5);
    CHECK_INT(value_at(live, 0, KEY_timeout_connect_ns, 40 * S - 1), 3 * (int64_t)S);
    CHECK_INT(value_at(live, 0, KEY_timeout_probe_ns, 40 * S - 1), 3 * (int64_t)S); /* it follows */
    CHECK_INT(value_at(live, 0, KEY_timeout_connect_ns, 40 * S), 5 * (int64_t)S);
    CHECK_INT(live_row(live, 1, 30 * S), -1);
    CHECK_INT(live_row(live, 2, 1), -1);
    const struct rule_destination *b = rules_destination(live_rules(live), (uint32_t)live_row(live, 1, 0));
    CHECK_INT(b->endpoints, 2);
    CHECK_INT(b->fallbacks, 1);
    CHECK_INT(b->cycle_length[0], 3);
    CHECK_TEXT(rules_text(live_rules(live), rules_endpoint(live_rules(live), b, 1)->text), "unix:/x");
    CHECK_TEXT(rules_text(live_rules(live), rules_fallback(live_rules(live), b, 0)->text), "10.0.0.9:9");
    CHECK_TEXT(live_text(live, live->config_path), "/etc/x.conf");
    CHECK_TEXT(live_text(live, live->inline_text), "mode = off");
    CHECK_INT(strlen(live->loaded_by), LIVE_PROGRAM - 1);
    CHECK_TEXT(live_text(live, live_override(live, 1)->value), "10.0.0.1:1 weight=2, unix:/x");
}

static void test_refusals(void)
{
    static const struct overlay_value wrong[] = {
        {.destination = "d", .key = KEY_mode, .value = "off", .until_ns = LIVE_FOREVER},
        {.destination = "a", .key = KEY_mode, .value = "maybe", .until_ns = LIVE_FOREVER},
    };
    struct overlay kept = overlay;
    for (size_t i = 0; i < 2; i++) {
        overlay.value = &wrong[i];
        overlay.values = 1;
        CHECK_INT(build(0), 0);
        CHECK(errors.count == 1);
    }
    overlay = kept;
    size_t bytes = build(0);
    for (size_t room = 0; room < bytes; room += 7) {
        errors.used = errors.count = 0;
        memcpy(copy, block, base()->bytes);
        CHECK(overlay_emit((const struct rules *)copy, &overlay, 0, copy, room < base()->bytes ? base()->bytes : room,
                           &errors) == 0);
    }
}

/* Everything that an accepted block says can be read. */
static void read_all(const struct rules *rules, const struct live *live)
{
    for (uint32_t i = 0; i < rules->destinations; i++)
        for (uint64_t now_ns = 0; now_ns < 60 * S; now_ns += 10 * S) {
            int row = live_row(live, i, now_ns);
            CHECK(row < 0 || (uint32_t)row < live_rules(live)->destinations);
        }
    for (uint32_t i = 0; i < live->overrides; i++)
        CHECK(strlen(live_text(live, live_override(live, i)->value)) < ROOM &&
              strlen(live_override(live, i)->program) < LIVE_PROGRAM);
    CHECK(strlen(live_text(live, live->config_path)) < ROOM);
}

static void test_damage(void)
{
    size_t bytes = build(0), begin = live_at(base());
    unsigned refused = 0;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, block, bytes);
        struct live *live = (struct live *)(void *)(copy + begin);
        size_t span = rand() % 2 ? sizeof *live + 200 : bytes - begin;
        for (int i = rand() % 4; i >= 0; i--)
            copy[begin + (size_t)rand() % span] = (uint8_t)rand();
        if (live->bytes <= bytes - begin && live->bytes >= sizeof *live)
            live->crc = crc32_update(0, &live->bytes, live->bytes - 8); /* a liar that knows how to sum */
        const struct live *found = live_find((const struct rules *)(const void *)copy, bytes);
        refused += !found;
        if (found)
            read_all((const struct rules *)(const void *)copy, found);
    }
    CHECK(refused > 5000);
    for (size_t room = begin; room < bytes; room++)
        CHECK(live_find(base(), room) == NULL);
}

int main(void)
{
    test_times();
    test_refusals();
    test_damage();
    return check_end();
}
