/* SPDX-License-Identifier: MIT
 * HTTP GET of a whole answer, for children of the agent: it waits, for as long as whoever started it lets it.
 *
 * http:// and unix:// by our own hand; https:// by the program curl, because nothing here knows TLS: its path, and the
 * files that it is given, must be readable. A request's secrets reach curl by its standard input, not by its arguments.
 */
#ifndef RESCTL_AGENT_FETCH_H
#define RESCTL_AGENT_FETCH_H

#include <stdbool.h>
#include <stddef.h>

enum { FETCH_URL = 1024, FETCH_BYTES = 1 << 23 };

struct fetch {
    const char *base;    /* "http://HOST[:PORT][/PREFIX]", "https://...", "unix:///PATH", or "HOST[:PORT]" */
    const char *path;    /* "/..." with its query */
    const char *header;  /* one more header, without line end; NULL: none */
    const char *ca_file; /* of https; NULL: the system's */
    /* What came. */
    char error[256]; /* "" when it is an answer, whatever its status */
    int status;
    char *text; /* the whole answer, with malloc() */
    const char *headers, *body;
    size_t headers_length, body_length;
};

/* fetch(what): false with error. what->text is for free() either way. */
bool fetch(struct fetch *what);

/* fetch_read(what, length): takes the answer in what->text, which ends with a NUL, to pieces; chunks are joined in
 * place. False with error. A step of fetch(). */
bool fetch_read(struct fetch *what, size_t length);

/* fetch_header(what, name, out, size): the value of the first header of that name; false when there is none. */
bool fetch_header(const struct fetch *what, const char *name, char *out, size_t size);

#endif
