/* SPDX-License-Identifier: MIT
 * Requests by RFC 9110 and 9112. */
#include "http_parse.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MORE = 0,
    OK = 200,
    BAD = 400,
    TOO_LARGE = 413,
    LONG_TARGET = 414,
    LONG_HEAD = 431,
    UNKNOWN = 501,
    VERSION = 505
};

struct text {
    const char *at;
    size_t length;
};

static bool is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return text.length > 0;
}

static bool is(struct text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.at, word, text.length) == 0;
}

static bool copy(char *out, size_t size, struct text text)
{
    if (text.length >= size)
        return false;
    memcpy(out, text.at, text.length);
    out[text.length] = '\0';
    return true;
}

/* The next line without its end. False: there is none yet. */
static bool next_line(struct text *rest, struct text *line)
{
    const char *end = memchr(rest->at, '\n', rest->length);
    if (!end)
        return false;
    *line = (struct text){rest->at, (size_t)(end - rest->at)};
    rest->at += line->length + 1;
    rest->length -= line->length + 1;
    if (line->length && line->at[line->length - 1] == '\r')
        line->length--;
    return true;
}

/* ---- the request line */

static struct text cut(struct text *rest, char at)
{
    const char *end = memchr(rest->at, at, rest->length);
    struct text piece = {rest->at, end ? (size_t)(end - rest->at) : rest->length};
    size_t skip = piece.length + (end != NULL);
    rest->at += skip;
    rest->length -= skip;
    return piece;
}

static int parse_target(struct text target, struct http_request *request)
{
    static const char scheme[] = "http://";
    for (size_t i = 0; i < target.length; i++)
        if (target.at[i] <= 0x20 || target.at[i] >= 0x7f || target.at[i] == '#')
            return BAD;
    if (target.length > sizeof scheme - 1 && strncasecmp(target.at, scheme, sizeof scheme - 1) == 0) {
        /* What a proxy is sent; its authority counts, not the field. */
        struct text rest = {target.at + sizeof scheme - 1, target.length - (sizeof scheme - 1)};
        const char *slash = memchr(rest.at, '/', rest.length);
        struct text authority = {rest.at, slash ? (size_t)(slash - rest.at) : rest.length};
        if (authority.length == 0 || !copy(request->host, sizeof request->host, authority))
            return BAD;
        target = slash ? (struct text){slash, rest.length - authority.length} : (struct text){"/", 1};
    }
    if (target.length == 0 || target.at[0] != '/')
        return BAD;
    struct text path = cut(&target, '?');
    return copy(request->path, sizeof request->path, path) && copy(request->query, sizeof request->query, target)
               ? OK
               : LONG_TARGET;
}

static int parse_version(struct text version, struct http_request *request)
{
    if (version.length != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[5] < '0' || version.at[5] > '9' ||
        version.at[6] != '.' || version.at[7] < '0' || version.at[7] > '9')
        return BAD;
    if (version.at[5] != '1')
        return VERSION;
    request->minor = version.at[7] > '0';
    request->keep_alive = request->minor == 1;
    return OK;
}

static int parse_request_line(struct text line, struct http_request *request)
{
    struct text method = cut(&line, ' '), target = cut(&line, ' ');
    if (!is_token(method))
        return BAD;
    request->method = method.length == 3 && memcmp(method.at, "GET", 3) == 0    ? HTTP_GET
                      : method.length == 4 && memcmp(method.at, "HEAD", 4) == 0 ? HTTP_HEAD
                      : method.length == 4 && memcmp(method.at, "POST", 4) == 0 ? HTTP_POST
                                                                                : HTTP_OTHER;
    int status = parse_version(line, request);
    return status == OK ? parse_target(target, request) : status;
}

/* ---- the fields */

static struct text trim(struct text text)
{
    while (text.length && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.length--;
    }
    while (text.length && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static bool is_printable(struct text value)
{
    for (size_t i = 0; i < value.length; i++)
        if (((unsigned char)value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f)
            return false;
    return true;
}

static int parse_length(struct text value, struct http_request *request)
{
    uint64_t bytes = 0;
    if (value.length == 0 || value.length > 18)
        return BAD;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return BAD;
        bytes = bytes * 10 + (uint64_t)(value.at[i] - '0');
    }
    request->content_length = bytes;
    return bytes > HTTP_BODY_MAX ? TOO_LARGE : OK;
}

static void parse_connection(struct text value, struct http_request *request)
{
    while (value.length) {
        struct text word = trim(cut(&value, ','));
        if (is(word, "close"))
            request->keep_alive = false;
        else if (is(word, "keep-alive") && request->minor == 0)
            request->keep_alive = true;
    }
}

/* Those that are kept as they are; each may stand once. */
static const struct {
    const char *name;
    size_t offset;
} kept[] = {
    {"host", offsetof(struct http_request, host)},
    {"accept", offsetof(struct http_request, accept)},
    {"authorization", offsetof(struct http_request, authorization)},
    {"origin", offsetof(struct http_request, origin)},
    {"content-type", offsetof(struct http_request, content_type)},
    {"last-event-id", offsetof(struct http_request, last_event_id)},
    {"sec-fetch-site", offsetof(struct http_request, fetch_site)},
};
enum { KEPT = sizeof kept / sizeof kept[0], SEEN_LENGTH = KEPT, SEEN_CONNECTION };

static int parse_field(struct text line, struct http_request *request, unsigned *seen)
{
    const char *colon = memchr(line.at, ':', line.length);
    struct text name = {line.at, colon ? (size_t)(colon - line.at) : 0};
    if (!colon || !is_token(name))
        return BAD; /* also a folded line, which begins with a blank */
    struct text value = trim((struct text){colon + 1, line.length - name.length - 1});
    if (!is_printable(value))
        return BAD;
    if (is(name, "transfer-encoding"))
        return UNKNOWN;
    if (is(name, "content-length")) {
        if (*seen & 1u << SEEN_LENGTH)
            return BAD;
        *seen |= 1u << SEEN_LENGTH;
        return parse_length(value, request);
    }
    if (is(name, "connection"))
        parse_connection(value, request);
    for (unsigned row = 0; row < KEPT; row++) {
        char *field = (char *)request + kept[row].offset;
        if (!is(name, kept[row].name))
            continue;
        if (*seen & 1u << row)
            return row == 0 ? BAD : OK; /* a second Host is an attack, other fields count as they came first */
        *seen |= 1u << row;
        if (row == 0 && *field) /* absolute-form: its authority wins */
            return OK;
        return copy(field, HTTP_VALUE, value) ? OK : LONG_HEAD;
    }
    return OK;
}

static int finish(const struct http_request *request, unsigned seen)
{
    return request->minor == 1 && !(seen & 1u) && !request->host[0] ? BAD : OK;
}

int http_parse(const char *bytes, size_t length, struct http_request *request, size_t *used)
{
    struct text rest = {bytes, length}, line;
    unsigned seen = 0, fields = 0;
    int status, more = length >= HTTP_HEAD_MAX ? LONG_HEAD : MORE;
    *request = (struct http_request){.method = HTTP_OTHER};
    do { /* empty lines before a request are what a careless client sent behind its last one */
        if (!next_line(&rest, &line))
            return memchr(bytes, '\0', length) ? BAD : more;
    } while (line.length == 0);
    if ((status = parse_request_line(line, request)) != OK)
        return status;
    while (next_line(&rest, &line)) {
        if (line.length == 0) {
            *used = (size_t)(rest.at - bytes);
            return *used > HTTP_HEAD_MAX ? LONG_HEAD : finish(request, seen);
        }
        if (++fields > HTTP_HEADERS_MAX)
            return LONG_HEAD;
        if ((status = parse_field(line, request, &seen)) != OK)
            return status;
    }
    return more;
}

bool http_query(const struct http_request *request, const char *name, char *out, size_t size)
{
    struct text rest = {request->query, strlen(request->query)};
    while (rest.length) {
        struct text pair = cut(&rest, '&');
        struct text key = cut(&pair, '=');
        if (key.length == strlen(name) && memcmp(key.at, name, key.length) == 0)
            return copy(out, size, pair);
    }
    return false;
}

bool http_accepts(const char *accept, const char *type)
{
    struct text rest = {accept, strlen(accept)};
    while (rest.length) {
        struct text range = cut(&rest, ',');
        if (!is(trim(cut(&range, ';')), type))
            continue;
        while (range.length) {
            struct text parameter = trim(cut(&range, ';'));
            char number[16];
            if (parameter.length > 2 && strncasecmp(parameter.at, "q=", 2) == 0 &&
                copy(number, sizeof number, (struct text){parameter.at + 2, parameter.length - 2}))
                return strtod(number, NULL) > 0;
        }
        return true;
    }
    return false;
}
