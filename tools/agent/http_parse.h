/* SPDX-License-Identifier: MIT
 * The head of an HTTP/1 request -> fields. Pure; never allocates; any bytes.
 *
 * Strict where servers and proxies have disagreed (RFC 9112): a blank before a colon, a folded line, a lone CR, a
 * second Host or another Content-Length, a Transfer-Encoding are refused, not guessed at. A bare LF ends a line. */
#ifndef RESCTL_AGENT_HTTP_PARSE_H
#define RESCTL_AGENT_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 8192, /* longer: 431 */
    HTTP_PATH = 1024,     /* longer: 414 */
    HTTP_VALUE = 512,     /* of a field that we read; longer: 431 */
    HTTP_BODY_MAX = 4096, /* longer: 413 */
    HTTP_HEADERS_MAX = 100
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

struct http_request {
    enum http_method method;
    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    char path[HTTP_PATH];
    char query[HTTP_PATH]; /* behind '?', "" without one */
    bool keep_alive;
    uint64_t content_length;
    /* "" when the field is missing */
    char host[HTTP_VALUE], accept[HTTP_VALUE], authorization[HTTP_VALUE], origin[HTTP_VALUE];
    char content_type[HTTP_VALUE], last_event_id[HTTP_VALUE], fetch_site[HTTP_VALUE];
};

/* http_parse(bytes, length, request, used): 0 while the head is not whole; 200: it is, and *used its bytes; else the
 * status to refuse it with: 400, 413, 414, 431, 501 or 505. */
int http_parse(const char *bytes, size_t length, struct http_request *request, size_t *used);

/* http_query(request, name, out, size): the value of a parameter, as it stands there; false when there is none. */
bool http_query(const struct http_request *request, const char *name, char *out, size_t size);

/* http_accepts(accept, type): whether the list names the type with a quality above 0, by itself (not by a wildcard). */
bool http_accepts(const char *accept, const char *type);

#endif
