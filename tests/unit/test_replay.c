/* SPDX-License-Identifier: MIT
 * Goal: only whole requests that may be repeated are, and nothing that bound its connection. */
#include <stdlib.h>
#include <string.h>

#include "policy/replay.h"
#include "tests/unit/check.h"

#define H "Host: x\r\n"

static const struct {
    const char *text;
    bool allowed, binds;
} requests[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", true, false},
    {"GET / HTTP/1.0\r\n\r\n", true, false},
    {"HEAD / HTTP/1.1\r\n" H "\r\n", true, false},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", true, false},
    {"DELETE /a HTTP/1.1\r\n" H "\r\n", true, false},
    {"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", true, false},
    {"PUT /a HTTP/1.1\r\ncontent-length:3 \r\n\r\nabc", true, false},
    {"GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n", true, false},
    {"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", false, false},
    {"PUT /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nab", false, false},
    {"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, false},
    {"POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false, false},
    {"PATCH /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false, false},
    {"GET /1 HTTP/1.1\r\n" H "\r\nPOST /2 HTTP/1.1\r\n" H "\r\n", false, false},
    {"GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\n" H "expect: 100-continue\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\nAuthorization: NTLM abc\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\n" H, false, false},
    {"GET / HTTP/2.0\r\n\r\n", false, false},
    {"GET /\r\n", false, false},
    {"get / HTTP/1.1\r\n\r\n", false, false},
    {"*1\r\n$4\r\nPING\r\n", true, false},
    {"*2\r\n$3\r\nget\r\n$1\r\nk\r\n", true, false},
    {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nTTL\r\n$1\r\nk\r\n", true, false},
    {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", false, true},
    {"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n", false, true},
    {"*1\r\n$5\r\nMULTI\r\n", false, true},
    {"*2\r\n$3\r\nGET\r\n$1\r\n", false, true},
    {"*2\r\n$3\r\nGET\r\n$99999999\r\nk\r\n", false, true},
    {"*0\r\n", false, true},
    {"*\r\n", false, true},
    {"hello", false, true},
    {"", false, true},
};

/* Exactly so many bytes on the heap, so that a step beyond them is seen. */
static void check_cut(const char *text, size_t length, bool allowed)
{
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    CHECK(replay_allowed(copy, length) == allowed);
    free(copy);
}

int main(void)
{
    static const char *const one[] = {"GET /page HTTP/1.1\r\nHost: x\r\n\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
                                      "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const uint8_t *bytes = (const uint8_t *)requests[i].text;
        size_t length = strlen(requests[i].text);
        check_cut(requests[i].text, length, requests[i].allowed);
        if (!CHECK(replay_binds(bytes, length) == requests[i].binds))
            fprintf(stderr, "  in %s\n", requests[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(one); i++)
        for (size_t length = 0; length <= strlen(one[i]); length++)
            check_cut(one[i], length, length == strlen(one[i]));
    CHECK_INT(replay_status((const uint8_t *)"HTTP/1.1 503 Service", 20), 503);
    CHECK_INT(replay_status((const uint8_t *)"HTTP/1.0 200\r\n", 14), 200);
    CHECK_INT(replay_status((const uint8_t *)"HTTP/1.1 50", 11), 0);
    CHECK_INT(replay_status((const uint8_t *)"HTTP/1.1 5x3 ", 13), 0);
    CHECK_INT(replay_status((const uint8_t *)"HTTP/2.1 503 ", 13), 0);
    return check_end();
}
