/* SPDX-License-Identifier: MIT
 * Answers of sources (discover_read: what is accepted is a value that the configuration accepts), what `discover` and
 * health.check say, and HTTP answers. */
#include "config/compile.h"
#include "config/discovery.h"
#include "policy/balance.h"
#include "tests/fuzz/fuzz.h"
#include "tools/agent/discover.h"
#include "tools/agent/fetch.h"

/* As many endpoints, by the same parser that reads the file. */
static void publish(const char *value, unsigned count)
{
    static _Alignas(8) char block[1 << 20];
    char said[512], *text = malloc(strlen(value) + 64);
    struct config_errors errors = {.text = said, .size = sizeof said};
    size_t bytes;
    MUST(text);
    sprintf(text, "[destination d]\nmatch = *\nendpoints = %s", value);
    for (char *at = text + 10; (at = strchr(at, '\n'));) /* the inline text has semicolons */
        *at = ';';
    struct config_input input = {.inline_text = text};
    MUST(config_compile(&input, block, sizeof block, &errors, &bytes));
    const struct rules *rules = (const void *)block;
    MUST(rules_destination(rules, rules->destinations - 1)->endpoints == count);
    free(text);
}

static void read_lines(const char *text, size_t length, bool trusted)
{
    char why[DISCOVER_WHY] = "", *value;
    unsigned count;
    uint64_t index = 0;
    bool good = discover_read(text, length, trusted, &value, &count, &index, why);
    MUST(good ? count > 0 && count <= BALANCE_HOSTS && value : why[0] && !value);
    if (good)
        publish(value, count);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct discovery discovery;
    struct target target;
    char want[DISCOVERY_WANT], header[64];
    char *exact = block_of(data, size);
    struct fetch answer = {.text = text_of(data, size)};
    read_lines(exact, size, true);
    read_lines(exact, size, false);
    if (!discovery_parse(exact, size, &discovery, want))
        MUST(want[0]);
    health_check_parse(exact, size, &target);
    if (fetch_read(&answer, size))
        MUST(answer.body >= answer.text && answer.body + answer.body_length <= answer.text + size);
    if (answer.headers)
        fetch_header(&answer, "X-Consul-Index", header, sizeof header);
    free(answer.text);
    free(exact);
    return 0;
}
