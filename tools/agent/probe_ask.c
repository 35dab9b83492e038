/* SPDX-License-Identifier: MIT
 * Requests and judgements, by protocol. */
#include "probe_ask.h"

#include <stdio.h>
#include <string.h>

enum { SQLSTATE = 5, SQLSTATE_BASE = 36 };

static size_t http_request(const struct target *target, char *out, size_t size)
{
    bool bracketed = strchr(target->host, ':') != NULL;
    int length = snprintf(out, size,
                          "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: resctl\r\nAccept: */*\r\n"
                          "Connection: close\r\n\r\n",
                          target->text, bracketed ? "[" : "", target->host, bracketed ? "]" : "", target->port);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* A StartupMessage of protocol 3.0: length, version, parameters. The user need not exist: any answer is one. */
static size_t postgres_request(char *out, size_t size)
{
    static const char message[] = "\0\0\0\0\0\3\0\0user\0resctl\0database\0postgres\0application_name\0resctl\0";
    size_t length = sizeof message; /* with the NUL that ends the list */
    if (length > size)
        return 0;
    memcpy(out, message, length);
    out[3] = (char)length;
    return length;
}

size_t probe_request(const struct target *target, char *out, size_t size)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    switch (target->kind) {
    case PROBE_HTTP:
        return http_request(target, out, size);
    case PROBE_REDIS:
        memcpy(out, ping, sizeof ping - 1);
        return sizeof ping - 1;
    case PROBE_POSTGRES:
        return postgres_request(out, size);
    case PROBE_TCP:
    case PROBE_EXEC:
    case PROBE_MEMORY:
    case PROBE_KINDS:
        break;
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200": the rest of the line is decoration. */
static bool judge_http(const char *answer, size_t length, struct probe_result *result)
{
    static const char version[] = "HTTP/1.";
    size_t known = length < sizeof version - 1 ? length : sizeof version - 1;
    result->finding = FINDING_ANSWER;
    if (memcmp(answer, version, known) != 0)
        return true;
    if (length < sizeof "HTTP/1.1 200" - 1)
        return false;
    const char *digits = answer + sizeof "HTTP/1.1 " - 1;
    if (answer[8] != ' ' || !is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]))
        return true;
    uint32_t status = (uint32_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
    bool up = status >= 200 && status < 400;
    result->finding = up ? FINDING_OK : FINDING_HTTP_STATUS;
    result->detail = up ? 0 : status;
    return true;
}

static bool judge_redis(const char *answer, size_t length, struct probe_result *result)
{
    static const char *const serving[] = {"+PONG\r\n", "-NOAUTH ", "-NOPERM ", "-DENIED "};
    for (size_t at = 0; at < sizeof serving / sizeof serving[0]; at++) {
        size_t bytes = strlen(serving[at]), known = length < bytes ? length : bytes;
        if (memcmp(answer, serving[at], known) != 0)
            continue;
        result->finding = FINDING_OK;
        return length >= bytes;
    }
    result->finding = answer[0] == '-' ? FINDING_NOT_READY : FINDING_ANSWER; /* -LOADING, -MASTERDOWN ... */
    return true;
}

static uint32_t pack_sqlstate(const char *code)
{
    uint32_t packed = 0;
    for (unsigned at = 0; at < SQLSTATE; at++) {
        char c = code[at];
        uint32_t digit = is_digit(c) ? (uint32_t)(c - '0') : c >= 'A' && c <= 'Z' ? (uint32_t)(c - 'A') + 10 : 0;
        packed = packed * SQLSTATE_BASE + digit;
    }
    return packed;
}

/* The field 'C' of an ErrorResponse: 'E', length, then fields of a type byte and a text, then NUL. */
static bool judge_postgres_error(const char *answer, size_t length, struct probe_result *result)
{
    size_t at = 5;
    while (at < length && answer[at] != '\0') {
        const char *end = memchr(answer + at + 1, '\0', length - at - 1);
        if (!end)
            return false;
        if (answer[at] == 'C' && end - (answer + at + 1) == SQLSTATE) {
            bool refuses =
                memcmp(answer + at + 1, "57P03", SQLSTATE) == 0 || memcmp(answer + at + 1, "53300", SQLSTATE) == 0;
            result->finding = refuses ? FINDING_REFUSES : FINDING_OK;
            result->detail = refuses ? pack_sqlstate(answer + at + 1) : 0;
            return true;
        }
        at = (size_t)(end - answer) + 1;
    }
    result->finding = FINDING_ANSWER;
    return at < length;
}

static bool judge_postgres(const char *answer, size_t length, struct probe_result *result)
{
    if (answer[0] == 'E')
        return judge_postgres_error(answer, length, result);
    bool spoken = answer[0] == 'R' || answer[0] == 'N' || answer[0] == 'v';
    result->finding = spoken ? FINDING_OK : FINDING_ANSWER;
    return true;
}

bool probe_judge(enum probe_kind kind, const char *answer, size_t length, struct probe_result *result)
{
    result->detail = 0;
    if (length == 0)
        return false;
    switch (kind) {
    case PROBE_HTTP:
        return judge_http(answer, length, result);
    case PROBE_REDIS:
        return judge_redis(answer, length, result);
    case PROBE_POSTGRES:
        return judge_postgres(answer, length, result);
    case PROBE_TCP:
    case PROBE_EXEC:
    case PROBE_MEMORY:
    case PROBE_KINDS:
        break;
    }
    result->finding = FINDING_OK;
    return true;
}
