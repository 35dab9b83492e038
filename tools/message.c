/* SPDX-License-Identifier: MIT
 * Reading HTTP/1 messages to their end. */
#include "message.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "dial.h"
#include "print.h"

/* How the body ends. */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKS, FRAMING_END, FRAMING_BAD };

void message_free(struct message *message)
{
    free(message->bytes);
    *message = (struct message){0};
}

const char *message_line(const struct message *message, size_t *at, size_t *length)
{
    if (*at >= message->head)
        return NULL;
    const char *line = message->bytes + *at, *end = memchr(line, '\n', message->head - *at);
    size_t bytes = (size_t)(end - line); /* the head ends with one */
    *at += bytes + 1;
    *length = bytes > 0 && line[bytes - 1] == '\r' ? bytes - 1 : bytes;
    return *length > 0 ? line : NULL;
}

bool message_line_is(const char *line, size_t length, const char *name)
{
    size_t bytes = strlen(name);
    return length > bytes && line[bytes] == ':' && strncasecmp(line, name, bytes) == 0;
}

static unsigned count_headers(const struct message *message, const char *name)
{
    size_t at = 0, length;
    unsigned count = 0;
    for (const char *line; (line = message_line(message, &at, &length)) != NULL;)
        count += message_line_is(line, length, name);
    return count;
}

const char *message_header(const struct message *message, const char *name, char *out, size_t size)
{
    size_t at = 0, length, skip = strlen(name) + 1;
    for (const char *line; (line = message_line(message, &at, &length)) != NULL;) {
        if (!message_line_is(line, length, name))
            continue;
        while (skip < length && (line[skip] == ' ' || line[skip] == '\t'))
            skip++;
        while (length > skip && (line[length - 1] == ' ' || line[length - 1] == '\t'))
            length--;
        if (length - skip >= size)
            return NULL;
        memcpy(out, line + skip, length - skip);
        out[length - skip] = '\0';
        return out;
    }
    return NULL;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static enum message_result read_more(int fd, size_t max_bytes, uint64_t end_ns, struct message *out)
{
    enum { STEP = 65536 };
    if (out->used >= max_bytes)
        return MESSAGE_LARGE;
    if (out->room - out->used < STEP) {
        out->room = out->room * 2 + STEP;
        char *more = realloc(out->bytes, out->room);
        if (!more) {
            complain("no memory");
            return MESSAGE_LARGE;
        }
        out->bytes = more;
    }
    size_t room = max_bytes - out->used < STEP ? max_bytes - out->used : STEP;
    ssize_t got = dial_read(fd, out->bytes + out->used, room, end_ns);
    if (got < 0)
        return errno == ETIMEDOUT ? MESSAGE_SLOW : MESSAGE_CUT;
    out->used += (size_t)got;
    return got == 0 ? MESSAGE_CUT : MESSAGE_OK;
}

/* The bytes up to and with the empty line; 0: it is not there yet. */
static size_t find_head(const struct message *message)
{
    for (size_t at = 0; at < message->used; at++) {
        if (message->bytes[at] != '\n')
            continue;
        size_t next = at + 1;
        next += next < message->used && message->bytes[next] == '\r';
        if (next < message->used && message->bytes[next] == '\n')
            return next + 1;
    }
    return 0;
}

bool message_find_head(struct message *message)
{
    message->head = find_head(message);
    return message->head > 0;
}

static enum message_result read_head(int fd, size_t max_bytes, uint64_t end_ns, struct message *out)
{
    for (;;) {
        out->head = find_head(out);
        if (out->head > 0)
            return memchr(out->bytes, '\0', out->head) ? MESSAGE_BAD : MESSAGE_OK;
        if (out->used >= MESSAGE_HEAD)
            return MESSAGE_LARGE;
        enum message_result result = read_more(fd, max_bytes < MESSAGE_HEAD ? max_bytes : MESSAGE_HEAD, end_ns, out);
        if (result != MESSAGE_OK)
            return result == MESSAGE_CUT && out->used == 0 ? MESSAGE_NONE : result;
    }
}

/* A peer that smuggles has several lengths, or folds lines: then nobody knows where its message ends. */
static enum framing framing_of(const struct message *message, bool answer, int64_t *length)
{
    char text[64];
    size_t at = 0, bytes;
    message_line(message, &at, &bytes);
    for (const char *line; (line = message_line(message, &at, &bytes)) != NULL;) {
        const char *colon = memchr(line, ':', bytes);
        if (!colon || colon == line || colon[-1] == ' ' || colon[-1] == '\t' || line[0] == ' ' || line[0] == '\t')
            return FRAMING_BAD;
    }
    unsigned lengths = count_headers(message, "Content-Length"), codings = count_headers(message, "Transfer-Encoding");
    if (answer && (message->status == 204 || message->status == 304))
        return FRAMING_NONE;
    if (lengths + codings > 1)
        return FRAMING_BAD;
    if (codings == 1)
        return message_header(message, "Transfer-Encoding", text, sizeof text) && strcasecmp(text, "chunked") == 0
                   ? FRAMING_CHUNKS
                   : FRAMING_BAD;
    if (lengths == 0)
        return answer ? FRAMING_END : FRAMING_NONE;
    return message_header(message, "Content-Length", text, sizeof text) && parse_count(text, strlen(text), length)
               ? FRAMING_LENGTH
               : FRAMING_BAD;
}

/* The line at `at` is there: its bytes with the line end; 0: not yet. */
static size_t line_at(const struct message *message, size_t at)
{
    const char *end = at < message->used ? memchr(message->bytes + at, '\n', message->used - at) : NULL;
    return end ? (size_t)(end - (message->bytes + at)) + 1 : 0;
}

static bool parse_chunk(const char *line, size_t length, size_t *bytes)
{
    size_t digits = 0;
    *bytes = 0;
    for (; digits < length && isxdigit((unsigned char)line[digits]); digits++) {
        char c = line[digits];
        *bytes = *bytes * 16 + (size_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return digits > 0 && digits <= 7 && digits < length && strchr(";\r\n \t", line[digits]) != NULL;
}

/* Moves *at over one chunk, or the trailers; *over at the end of the message. False: not whole yet. */
static bool pass_chunk(const struct message *message, size_t *at, bool *over, bool *bad)
{
    size_t size, line = line_at(message, *at);
    if (line == 0)
        return false;
    if (!parse_chunk(message->bytes + *at, line, &size)) {
        *bad = true;
        return false;
    }
    size_t next = *at + line;
    if (size > 0) {
        next += size;
        size_t end = line_at(message, next);
        *bad = end > 2;
        if (end > 0)
            *at = next + end;
        return end > 0 && !*bad;
    }
    for (size_t end; (end = line_at(message, next)) > 0;) {
        next += end;
        if (end == 1 || (end == 2 && message->bytes[next - 2] == '\r')) {
            *at = next;
            return *over = true;
        }
    }
    return false;
}

static enum message_result read_chunks(int fd, size_t max_bytes, uint64_t end_ns, struct message *out)
{
    size_t at = out->head;
    bool over = false, bad = false;
    while (!over) {
        if (pass_chunk(out, &at, &over, &bad))
            continue;
        enum message_result result = bad ? MESSAGE_BAD : read_more(fd, max_bytes, end_ns, out);
        if (result != MESSAGE_OK)
            return result;
    }
    out->used = at;
    return MESSAGE_OK;
}

static enum message_result read_body(int fd, size_t max_bytes, uint64_t end_ns, enum framing framing, int64_t length,
                                     struct message *out)
{
    enum message_result result = MESSAGE_OK;
    if (framing == FRAMING_CHUNKS)
        return read_chunks(fd, max_bytes, end_ns, out);
    if (framing == FRAMING_END) {
        while (result == MESSAGE_OK)
            result = read_more(fd, max_bytes, end_ns, out);
        return result == MESSAGE_CUT ? MESSAGE_OK : result;
    }
    size_t whole = out->head + (framing == FRAMING_LENGTH ? (size_t)length : 0);
    if (framing == FRAMING_LENGTH && (uint64_t)length > max_bytes - out->head)
        return MESSAGE_LARGE;
    while (result == MESSAGE_OK && out->used < whole)
        result = read_more(fd, max_bytes, end_ns, out);
    out->used = out->used > whole ? whole : out->used;
    return result;
}

static bool parse_request(struct message *out)
{
    size_t at = 0, length;
    const char *line = message_line(out, &at, &length);
    const char *first = line ? memchr(line, ' ', length) : NULL;
    const char *second = first ? memchr(first + 1, ' ', length - (size_t)(first + 1 - line)) : NULL;
    if (!second || first == line || second == first + 1 || (size_t)(first - line) >= sizeof out->method ||
        (size_t)(second - first) > sizeof out->target || length - (size_t)(second - line) != strlen(" HTTP/1.x") ||
        memcmp(second, " HTTP/1.", 8) != 0)
        return false;
    memcpy(out->method, line, (size_t)(first - line));
    memcpy(out->target, first + 1, (size_t)(second - first - 1));
    return true;
}

enum message_result message_request(int fd, size_t max_bytes, uint64_t end_ns, struct message *out)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char expect[32];
    int64_t length = 0;
    *out = (struct message){0};
    enum message_result result = read_head(fd, max_bytes, end_ns, out);
    if (result != MESSAGE_OK)
        return result;
    enum framing framing = parse_request(out) ? framing_of(out, false, &length) : FRAMING_BAD;
    if (framing == FRAMING_BAD)
        return MESSAGE_BAD;
    if (framing == FRAMING_LENGTH && (uint64_t)length > max_bytes - out->head)
        return MESSAGE_LARGE;
    if (framing != FRAMING_NONE && message_header(out, "Expect", expect, sizeof expect) &&
        strcasecmp(expect, "100-continue") == 0)
        dial_write(fd, go_on, strlen(go_on), end_ns);
    return read_body(fd, max_bytes, end_ns, framing, length, out);
}

static bool parse_status(struct message *out)
{
    size_t at = 0, length;
    const char *line = message_line(out, &at, &length);
    if (!line || length < strlen("HTTP/1.1 200") || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return false;
    for (int i = 9; i < 12; i++)
        if (!isdigit((unsigned char)line[i]))
            return false;
    out->status = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    return true;
}

enum message_result message_answer(int fd, size_t max_bytes, uint64_t end_ns, struct message *out)
{
    int64_t length = 0;
    *out = (struct message){0};
    for (;;) {
        enum message_result result = read_head(fd, max_bytes, end_ns, out);
        if (result != MESSAGE_OK)
            return result;
        if (!parse_status(out))
            return MESSAGE_BAD;
        if (out->status >= 200 || out->status == 101)
            break;
        out->used -= out->head;
        memmove(out->bytes, out->bytes + out->head, out->used);
    }
    enum framing framing = framing_of(out, true, &length);
    return framing == FRAMING_BAD ? MESSAGE_BAD : read_body(fd, max_bytes, end_ns, framing, length, out);
}
