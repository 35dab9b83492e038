/* SPDX-License-Identifier: MIT
 * The parser of HTTP requests: what it takes, what it refuses with which status, in whatever pieces it comes; and the
 * names that a server may be asked for by. Then the same under garbage. */
#include "tools/agent/http_parse.c"
#include "tools/agent/http_socket.c"

#include "tests/unit/check.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

static int parse(const char *text, struct http_request *request)
{
    size_t used = 0;
    return http_parse(text, strlen(text), request, &used);
}

static void test_good(void)
{
    static const char text[] =
        "\r\nGET /metrics?a=b&last=7 HTTP/1.1\r\nhost:  localhost:9797 \r\nAccept: text/plain\r\n"
        "X-Other: \xc3\xbc\r\nLast-Event-ID: 4.5\r\n\r\nGET";
    struct http_request request;
    size_t used = 0;
    CHECK_INT(http_parse(text, sizeof text - 1, &request, &used), 200);
    CHECK_INT(used, sizeof text - 1 - 3);
    CHECK(request.method == HTTP_GET && request.minor == 1 && request.keep_alive);
    CHECK_TEXT(request.path, "/metrics");
    CHECK_TEXT(request.query, "a=b&last=7");
    CHECK_TEXT(request.host, "localhost:9797");
    CHECK_TEXT(request.accept, "text/plain");
    CHECK_TEXT(request.last_event_id, "4.5");
    for (size_t length = 0; length < used; length++) /* every beginning of it wants more */
        CHECK_INT(http_parse(text, length, &request, &used), 0);
    char value[4];
    CHECK_INT(http_parse(text, sizeof text - 1, &request, &used), 200);
    CHECK(http_query(&request, "last", value, sizeof value));
    CHECK_TEXT(value, "7");
    CHECK(!http_query(&request, "las", value, sizeof value) && !http_query(&request, "lasts", value, sizeof value));
}

static void test_statuses(void)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "GET / HTTP/1.0\r\n\r\n"},
        {200, "GET / HTTP/1.1\nHost: a\n\n"},
        {200, "HEAD /x HTTP/1.1\r\nHost:\r\n\r\n"},
        {200, "BREW /x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {200, "GET http://a:1/x HTTP/1.1\r\n\r\n"},
        {200, GET "Content-Length: 4096\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"}, /* without Host */
        {400, GET "Host: b\r\n\r\n"},
        {400, GET "X : y\r\n\r\n"},
        {400, GET "X: y\r\n folded\r\n\r\n"},
        {400, GET "X\r\n\r\n"},
        {400, GET ": y\r\n\r\n"},
        {400, GET "X: a\rb\r\n\r\n"},
        {400, GET "X: \x7f\r\n\r\n"},
        {400, GET "Content-Length: -1\r\n\r\n"},
        {400, GET "Content-Length: 1, 1\r\n\r\n"},
        {400, GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, GET "Content-Length: 99999999999999999999\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "\x16\x03\x01\n"}, /* TLS */
        {413, GET "Content-Length: 4097\r\n\r\n"},
        {501, GET "Transfer-Encoding: chunked\r\n\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    };
    struct http_request request;
    for (size_t row = 0; row < COUNT_OF(rows); row++)
        if (!CHECK_INT(parse(rows[row].text, &request), rows[row].status))
            fprintf(stderr, "  of %s\n", rows[row].text);
    CHECK_INT(parse("POST /x HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", &request), 200);
    CHECK(request.method == HTTP_POST && !request.keep_alive);
    CHECK_INT(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &request), 200);
    CHECK(request.keep_alive && request.host[0] == '\0');
    CHECK_INT(parse("GET http://other/x?y HTTP/1.1\r\nHost: a\r\n\r\n", &request), 200);
    CHECK_TEXT(request.host, "other");
    CHECK_TEXT(request.path, "/x");
}

static void test_lengths(void)
{
    static char text[2 * HTTP_HEAD_MAX];
    struct http_request request;
    size_t used;
    snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PATH - 2, 0);
    CHECK_INT(parse(text, &request), 200);
    snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PATH - 1, 0);
    CHECK_INT(parse(text, &request), 414);
    snprintf(text, sizeof text, GET "X: %0*d\r\n\r\n", HTTP_HEAD_MAX, 0);
    CHECK_INT(parse(text, &request), 431);
    CHECK_INT(http_parse(text, HTTP_HEAD_MAX - 1, &request, &used), 0);
    CHECK_INT(http_parse(text, HTTP_HEAD_MAX, &request, &used), 431);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %0*d\r\n\r\n", HTTP_VALUE, 0);
    CHECK_INT(parse(text, &request), 431);
    size_t at = (size_t)snprintf(text, sizeof text, GET);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "X: y\r\n");
    snprintf(text + at, sizeof text - at, "\r\n");
    CHECK_INT(parse(text, &request), 431);
}

static void test_accept(void)
{
    static const char type[] = "application/openmetrics-text";
    CHECK(http_accepts("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1", type));
    CHECK(http_accepts("text/plain, Application/OpenMetrics-Text", type));
    CHECK(!http_accepts("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", type));
    CHECK(!http_accepts("application/openmetrics-text; q=0", type));
    CHECK(!http_accepts("", type) && !http_accepts("application/openmetrics-textual", type));
}

/* A name of the web may lead to us (DNS rebinding): only those that we have are answered. */
static void test_hosts(void)
{
    static const char *const ours[] = {"box.example", NULL};
    static const char *const good[] = {
        "localhost",  "LocalHost:9797", "localhost.",      "127.0.0.1", "127.0.0.1:1", "10.1.2.3:80", "[::1]",
        "[::1]:9797", "box.example",    "BOX.example.:80", ""};
    static const char *const bad[] = {"evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "box.example2",
                                      "localhost:9797x",
                                      "[::1]x",
                                      "[::1",
                                      "[evil]",
                                      "127.0.0.1:999999",
                                      ":80",
                                      "::1",
                                      " "};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!CHECK(http_host_allowed(good[i], ours)))
            fprintf(stderr, "  %s\n", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (!CHECK(!http_host_allowed(bad[i], ours)))
            fprintf(stderr, "  %s\n", bad[i]);
}

static void test_garbage(void)
{
    static const char seed[] = "POST /api/v1?x=y HTTP/1.1\r\nHost: a:1\r\nAccept: a;q=0.1, b\r\nContent-Length: 5\r\n"
                               "Connection: close, keep-alive\r\n\r\nhello";
    static const char pieces[] = "\r\n: ,;=?/\0\t\x7f\xff[]HTTP1.0";
    uint64_t state = 88172645463325252ull;
    int seen[600] = {0};
    for (int round = 0; round < 200000; round++) {
        size_t length = sizeof seed - 1, used = 0;
        char *text = malloc(length); /* exactly as large, so that a sanitizer sees every byte too far */
        struct http_request request;
        memcpy(text, seed, length);
        for (int edits = round % 4; edits >= 0; edits--) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            text[(state >> 33) % length] = pieces[(state >> 20) % sizeof pieces];
        }
        length -= (size_t)round % 7 ? 0 : (state >> 40) % length;
        int status = http_parse(text, length, &request, &used);
        CHECK(status >= 0 && status < 600 && (status != 200 || (used <= length && request.path[0] == '/')));
        seen[status]++;
        if (status == 200)
            http_host_allowed(request.host, NULL), http_accepts(request.accept, "b");
        free(text);
    }
    CHECK(seen[0] > 100 && seen[200] > 1000 && seen[400] > 1000);
}

int main(void)
{
    test_good();
    test_statuses();
    test_lengths();
    test_accept();
    test_hosts();
    test_garbage();
    return check_end();
}
