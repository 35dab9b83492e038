/* SPDX-License-Identifier: MIT
 * A configuration, as a file or as RESIL_RULES (first byte: bit 0), through the compiler; what it makes must be valid
 * rules, in which every destination can be found, shown and read back. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/compile.h"
#include "config/hosts.h"
#include "config/match.h"
#include "segment/layout.h"
#include "tests/fuzz/fuzz.h"

static uint8_t out[SEG_RULES_BYTES] __attribute__((aligned(8)));

static void look(const struct rules *rules)
{
    struct match_query query = {.family = AF_INET, .port = 80, .addr = {127, 0, 0, 1}, .program = "curl"};
    const struct rule_match *match;
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *row = rules_destination(rules, i);
        const int64_t *values = (const int64_t *)&row->conf;
        struct balance_host hosts[BALANCE_HOSTS];
        query.name = rules_text(rules, row->name);
        MUST(rules_find(rules, &query, &match) < (int)rules->destinations);
        rules_hosts(rules, row, hosts);
        for (int key = 0; key < KEY_COUNT; key++) {
            char text[256], want[256];
            int64_t again;
            if (key_info[key].kind == KIND_TEXT)
                continue;
            config_format_value(key, values[key], text, sizeof text);
            MUST(config_parse_value(key, text, strlen(text), &again, want, sizeof want) && again == values[key]);
        }
    }
    query.family = AF_UNIX, query.path = "/run/socket", query.name = NULL;
    rules_find(rules, &query, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    char path[64], report[2048];
    struct config_errors errors = {.text = report, .size = sizeof report};
    size_t bytes = 0;
    if (size < 1 || size > 1 << 16)
        return 0;
    if (file < 0)
        file = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    MUST(ftruncate(file, 0) == 0 && pwrite(file, data + 1, size - 1, 0) == (ssize_t)size - 1);
    char *text = text_of(data + 1, size - 1);
    struct config_input input = {.path = data[0] & 1 ? "/dev/null" : path, .inline_text = data[0] & 1 ? text : NULL};
    bool ok = config_compile(&input, out, sizeof out, &errors, &bytes);
    MUST(strlen(report) < sizeof report && (errors.count == 0) == ok);
    if (ok) {
        MUST(rules_valid(out, bytes));
        look((const struct rules *)(const void *)out);
    }
    free(text);
    return 0;
}
