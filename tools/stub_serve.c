/* SPDX-License-Identifier: MIT
 * One connection of the stub. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "dial.h"
#include "print.h"
#include "stub.h"

enum { HEAD = 16384, KEY = 33 };

struct reply {
    unsigned status;
    const char *type;
    const char *body;
    size_t body_bytes;
    bool no_body; /* to a HEAD */
    const struct stub *stub;
};

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } known[] = {{200, "OK"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {400, "Bad Request"},
                 {404, "Not Found"},
                 {408, "Request Timeout"},
                 {413, "Content Too Large"},
                 {429, "Too Many Requests"},
                 {500, "Internal Server Error"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Stub";
}

static void send_reply(int fd, const struct reply *reply, uint64_t end_ns)
{
    char head[HEAD];
    const struct stub *stub = reply->stub;
    size_t used = (size_t)snprintf(head, sizeof head,
                                   "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
                                   reply->status, reason_of(reply->status), reply->type, reply->body_bytes);
    if (stub->retry_after_s >= 0 && reply->status >= 400)
        used += (size_t)snprintf(head + used, sizeof head - used, "Retry-After: %" PRId64 "\r\n", stub->retry_after_s);
    for (int i = 0; i < stub->headers.count && used + strlen(stub->headers.item[i]) + 8 < sizeof head; i++)
        used += (size_t)snprintf(head + used, sizeof head - used, "%s\r\n", stub->headers.item[i]);
    used += (size_t)snprintf(head + used, sizeof head - used, "\r\n");
    if (dial_write(fd, head, used, end_ns) && !reply->no_body)
        dial_write(fd, reply->body, reply->body_bytes, end_ns);
}

static void send_error(const struct stub *stub, int fd, unsigned status, const char *text, uint64_t end_ns)
{
    const struct reply reply = {status, "text/plain", text, strlen(text), false, stub};
    send_reply(fd, &reply, end_ns);
}

static void send_static(const struct stub *stub, int fd, const struct message *request, uint64_t end_ns)
{
    const struct reply reply = {
        stub->status, stub->type, stub->body, stub->body_bytes, strcmp(request->method, "HEAD") == 0, stub};
    send_reply(fd, &reply, end_ns);
}

/* ---- spooling ------------------------------------------------------------------------------------- */

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0 ||
           strcmp(method, "TRACE") == 0;
}

/* Its own key, by which a receiver that knows such keys tells a repetition; the client's stands. */
static bool make_key(const struct message *request, char *key, size_t size)
{
    uint64_t random[2];
    if (message_header(request, "Idempotency-Key", key, size))
        return true;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    snprintf(key, size, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return true;
}

/* The request as the replay will send it, byte by byte: one connection, no question before the body, the key. */
static char *as_sent(const struct message *request, const char *key, size_t *length)
{
    static const char *const dropped[] = {"Connection", "Keep-Alive", "Proxy-Connection",
                                          "Upgrade",    "Expect",     "Idempotency-Key"};
    size_t at = 0, bytes, used = 0;
    /* A line that ended with a bare line feed grows by a byte. */
    char *out = take_memory(1, request->used + request->head + strlen(key) + 128);
    for (const char *line; (line = message_line(request, &at, &bytes)) != NULL;) {
        bool drop = false;
        for (size_t i = 0; used > 0 && i < sizeof dropped / sizeof dropped[0]; i++)
            drop |= message_line_is(line, bytes, dropped[i]);
        if (drop)
            continue;
        memcpy(out + used, line, bytes);
        memcpy(out + used + bytes, "\r\n", 2);
        used += bytes + 2;
    }
    used += (size_t)sprintf(out + used, "Idempotency-Key: %s\r\nConnection: close\r\n\r\n", key);
    memcpy(out + used, request->bytes + request->head, request->used - request->head);
    *length = used + request->used - request->head;
    return out;
}

static void spool(const struct stub *stub, int fd, const struct message *request, uint64_t end_ns)
{
    char key[256], answer[512];
    size_t length;
    if (!make_key(request, key, sizeof key)) {
        send_error(stub, fd, 503, "cannot keep the request\n", end_ns);
        return;
    }
    char *bytes = as_sent(request, key, &length);
    if (!spool_put(&stub->spool, bytes, length)) {
        complain("cannot keep a request: %s", strerror(errno));
        send_error(stub, fd, 503, "cannot keep the request\n", end_ns);
    } else {
        snprintf(answer, sizeof answer, "kept for later as %s\n", key);
        send_error(stub, fd, 202, answer, end_ns);
    }
    free(bytes);
}

/* ---- the last good answer ------------------------------------------------------------------------- */

/* An answer that was whole: its head, with ours, and its body. */
static void relay(int fd, const struct message *answer, const char *extra, uint64_t end_ns)
{
    size_t at = 0, length;
    bool good = true, first = true;
    for (const char *line; good && (line = message_line(answer, &at, &length)) != NULL; first = false)
        if (first || (!message_line_is(line, length, "Connection") && !message_line_is(line, length, "Keep-Alive")))
            good = dial_write(fd, line, length, end_ns) && dial_write(fd, "\r\n", 2, end_ns);
    if (good && dial_write(fd, extra, strlen(extra), end_ns) && dial_write(fd, "Connection: close\r\n\r\n", 21, end_ns))
        dial_write(fd, answer->bytes + answer->head, answer->used - answer->head, end_ns);
}

static bool serve_copy(const struct stub *stub, int fd, const struct message *request, uint64_t end_ns)
{
    struct message answer;
    char extra[128];
    uint64_t age_s;
    if (stub->upstream && stub_fetch(stub, request, request->target, &answer)) {
        relay(fd, &answer, "", end_ns + (uint64_t)stub->timeout_ns);
        message_free(&answer);
        return true;
    }
    if (stub->upstream)
        message_free(&answer);
    if (!stub_copy(stub, request->target, &answer, &age_s))
        return false;
    snprintf(extra, sizeof extra, "Age: %" PRIu64 "\r\nWarning: 110 - \"Response is Stale\"\r\n", age_s);
    relay(fd, &answer, extra, end_ns + (uint64_t)stub->timeout_ns);
    message_free(&answer);
    return true;
}

/* ---- one request ---------------------------------------------------------------------------------- */

/* Whoever still sends is read for a moment: a close with unread bytes would be a reset, and take the answer with it. */
static void close_gently(int fd)
{
    const uint64_t moment_ns = 500000000;
    char rest[4096];
    uint64_t end_ns = clock_now_ns() + moment_ns;
    shutdown(fd, SHUT_WR);
    while (dial_read(fd, rest, sizeof rest, end_ns) > 0)
        ;
}

void stub_serve(const struct stub *stub, int fd)
{
    struct message request;
    uint64_t end_ns = clock_now_ns() + (uint64_t)stub->timeout_ns;
    switch (message_request(fd, stub->max_bytes, end_ns, &request)) {
    case MESSAGE_OK:
        if (stub->spools && !is_safe(request.method))
            spool(stub, fd, &request, end_ns);
        else if (!stub->cache || strcmp(request.method, "GET") != 0 || !serve_copy(stub, fd, &request, end_ns))
            send_static(stub, fd, &request, end_ns + (uint64_t)stub->timeout_ns);
        break;
    case MESSAGE_BAD:
        send_error(stub, fd, 400, "no HTTP/1 request\n", end_ns);
        break;
    case MESSAGE_LARGE:
        send_error(stub, fd, 413, "the request is too large\n", end_ns);
        break;
    case MESSAGE_SLOW:
        send_error(stub, fd, 408, "the request did not come in time\n", clock_now_ns() + (uint64_t)stub->timeout_ns);
        break;
    case MESSAGE_NONE:
    case MESSAGE_CUT:
        break;
    }
    message_free(&request);
    close_gently(fd);
}
