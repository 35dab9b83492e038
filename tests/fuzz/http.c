/* SPDX-License-Identifier: MIT
 * What comes from the network to the agent's HTTP server and to its health probes: requests as a whole and in beginnings,
 * names, answers of servers. */
#include "tests/fuzz/fuzz.h"
#include "tools/agent/http_socket.h"
#include "tools/agent/probe_ask.h"

static bool is_refusal(int status)
{
    return status == 400 || status == 413 || status == 414 || status == 431 || status == 501 || status == 505;
}

/* A beginning is never judged otherwise than as unfinished, or as the whole is. */
static void parse(const char *bytes, size_t size)
{
    static struct http_request whole, part;
    size_t used = 0, part_used = 0;
    int status = http_parse(bytes, size, &whole, &used);
    MUST(status == 0 || status == 200 || is_refusal(status));
    if (status == 200) {
        char value[16];
        MUST(used > 0 && used <= size && whole.path[0] == '/' && whole.content_length <= HTTP_BODY_MAX);
        http_query(&whole, "last", value, sizeof value);
        http_accepts(whole.accept, "application/openmetrics-text");
        http_host_allowed(whole.host, NULL);
    }
    for (size_t length = 0; length < size; length += 1 + size / 16) {
        int early = http_parse(bytes, length, &part, &part_used);
        MUST(early == 0 || early == status || (status != 200 && is_refusal(early)) || (early == 200 && status == 200));
    }
}

static void judge(const char *bytes, size_t size)
{
    char text[PROBE_TEXT];
    static const enum probe_kind kinds[] = {PROBE_HTTP, PROBE_REDIS, PROBE_POSTGRES};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && size; i++) {
        struct probe_result result = {.finding = FINDING_NONE};
        if (!probe_judge(kinds[i], bytes, size, &result))
            continue;
        MUST(result.finding > FINDING_NONE && result.finding < FINDING_COUNT);
        MUST(probe_describe(result.finding, result.detail, text, sizeof text) == text && text[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = block_of(data, size);
    parse(exact, size);
    judge(exact, size);
    free(exact);
    return 0;
}
