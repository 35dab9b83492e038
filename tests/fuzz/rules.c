/* SPDX-License-Identifier: MIT
 * Compiled rules as somebody else may have written them: whatever rules_valid() accepts is then read like the library
 * and resctl do. The harness puts the right magic, size and checksum on, which no mutation would ever hit. First byte:
 * bit 0: take the bytes as they are. */
#include <sys/socket.h>

#include "base/crc32.h"
#include "config/chaos.h"
#include "config/hosts.h"
#include "config/match.h"
#include "policy/retry.h"
#include "tests/fuzz/fuzz.h"

static void use(const struct rules *rules, const struct rule_destination *row)
{
    struct balance_host hosts[BALANCE_HOSTS];
    struct balance_call call;
    struct faults faults;
    char error[128];
    MUST(strlen(rules_text(rules, row->name)) < 64);
    chaos_parse(rules_text(rules, row->conf.chaos), &faults, error, sizeof error);
    rules_hosts(rules, row, hosts);
    rules_call(rules, row, &call);
    for (call.number = 0; call.number < 3; call.number++) {
        struct balance_choice choice = balance_pick(hosts, row->endpoints, &call);
        MUST(choice.verdict != VERDICT_ADMIT || choice.index < row->endpoints);
    }
    for (uint32_t i = 0; i < row->endpoints; i++)
        MUST(rules_text(rules, rules_endpoint(rules, row, i)->text));
    for (uint32_t number = 1; number < 4; number++)
        retry_delay_ns(&row->conf, number, 1000, 12345);
}

static void use_all(const struct rules *rules)
{
    const struct match_query queries[] = {
        {.family = AF_INET, .port = 80, .addr = {127, 0, 0, 1}, .name = "a.example.com", .program = "curl"},
        {.family = AF_INET6, .port = 443, .addr = {0x20, 1}, .program = "nginx", .uid = 1000},
        {.family = AF_UNIX, .path = "/run/socket", .program = ""}};
    for (uint32_t i = 0; i < rules->destinations && i < 16; i++)
        use(rules, rules_destination(rules, i));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        MUST(rules_find(rules, &queries[i], NULL) < (int)rules->destinations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct rules *rules = block_of(data + 1, size - 1);
    if (size > sizeof *rules && !(data[0] & 1)) {
        rules->magic = RULES_MAGIC;
        rules->bytes = (uint32_t)size - 1;
        rules->crc = crc32_update(0, &rules->bytes, size - 1 - offsetof(struct rules, bytes));
    }
    if (rules_valid(rules, size - 1))
        use_all(rules);
    free(rules);
    return 0;
}
