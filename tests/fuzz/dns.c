/* SPDX-License-Identifier: MIT
 * DNS messages of others, as answers to a question whose id is that of the message. */
#include "tests/fuzz/fuzz.h"
#include "tools/agent/dns.h"

static void check(void *context, const struct dns_record *record)
{
    unsigned *seen = context;
    MUST(memchr(record->name, '\0', sizeof record->name) && memchr(record->target, '\0', sizeof record->target));
    MUST(record->type == DNS_A || record->type == DNS_AAAA || record->type == DNS_SRV);
    ++*seen;
}

/* What we ask ourselves is no answer, and has no records. */
static void ask(const char *name)
{
    struct dns_question question = {.id = 7, .type = DNS_A};
    uint8_t message[DNS_QUESTION];
    unsigned seen = 0;
    snprintf(question.name, sizeof question.name, "%s", name);
    size_t length = dns_ask(&question, message);
    MUST(length <= sizeof message);
    if (length == 0)
        return;
    MUST(dns_answer(&question, message, length) == DNS_FOREIGN);
    MUST(dns_records(message, length, check, &seen) && seen == 0);
    message[2] |= 0x80;
    MUST(dns_answer(&question, message, length) == DNS_ANSWERED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question question = {.type = DNS_SRV, .name = "_web._tcp.example.test."};
    unsigned seen = 0;
    if (size > DNS_MESSAGE)
        return 0;
    uint8_t *exact = block_of(data, size);
    char *text = text_of(data, size);
    if (size >= 2)
        question.id = (uint16_t)(data[0] << 8 | data[1]);
    dns_answer(&question, exact, size);
    dns_records(exact, size, check, &seen);
    ask(text);
    free(text);
    free(exact);
    return 0;
}
