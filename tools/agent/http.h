/* SPDX-License-Identifier: MIT
 * A small HTTP/1.1 server in the agent's loop: GET, HEAD and POST, keep-alive, pipelined requests one after the other,
 * answers of known length, and streams.
 *
 * Owns the listening socket and at most HTTP_CLIENTS connections; when all are taken, idle ones make room, and else
 * new ones wait in the kernel's queue. Nobody can hold a place by being slow: a head has to come within 5 s, a body
 * too, an answer has to be taken within 30 s, an idle connection is closed after 30 s. Of the places at most
 * HTTP_STREAMS are streams. One thread; allocates what an answer needs.
 */
#ifndef RESCTL_AGENT_HTTP_H
#define RESCTL_AGENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "http_parse.h"
#include "loop.h"

enum { HTTP_CLIENTS = 64, HTTP_STREAMS = 16, HTTP_HOSTS = 16, HTTP_INPUT = HTTP_HEAD_MAX + HTTP_BODY_MAX };

struct http_server;

enum http_state { HTTP_FREE, HTTP_READING, HTTP_WRITING, HTTP_STREAMING, HTTP_WAITING, HTTP_LINGERING };

/* One connection. */
struct http_client {
    struct http_server *server;
    struct loop_io io;
    struct loop_timer timer;
    enum http_state state;
    bool close_after; /* the answer */
    bool head_only;
    char input[HTTP_INPUT];
    size_t used;
    char *output; /* for free() */
    size_t output_bytes, sent;
    uint64_t since_ns; /* when it last began to wait for a request */
    void *context;     /* the handler's, while it streams: NULL before */
};

/* A request that is whole; body is its content, ended by NUL. Answers by http_answer(), http_refuse() or
 * http_stream(), or takes it upon itself by http_answer_later(), before it returns. */
typedef void (*http_handler)(void *data, struct http_client *client, const struct http_request *request,
                             const char *body);

struct http_server {
    struct loop *loop;
    struct loop_io io;
    http_handler handle;
    void (*closed)(void *data, struct http_client *client); /* whom we stream to, or owe an answer, is gone */
    void *data;
    const char *const *hosts; /* names by which it may be asked for, besides addresses and localhost; ended by NULL */
    bool local;               /* a Unix socket: any Host */
    bool paused;
    char where[160]; /* "http://127.0.0.1:9797/" or "unix:/path" */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    uint64_t dev, ino; /* of the path */
    struct http_client client[HTTP_CLIENTS];
};

/* http_listen(server, listen, error, size): "ADDR:PORT", "[V6]:PORT", "localhost:PORT", "PORT" (of 127.0.0.1; port 0 is
 * any), or "unix:/PATH" (mode 0600). loop, handle, closed, data and hosts are set by the caller. Returns 0, or -errno
 * with a message. */
int http_listen(struct http_server *server, const char *listen, char *error, size_t size);
void http_close(struct http_server *server);

/* http_is_open_to_others(server): whether other hosts may reach it. */
bool http_is_open_to_others(const struct http_server *server);

struct http_answer {
    int status;
    const char *type;   /* Content-Type */
    const char *fields; /* further ones, each with its CR LF; or NULL */
    const char *body;
    size_t bytes;
};
void http_answer(struct http_client *client, const struct http_answer *answer);

/* http_answer_later(client): instead of an answer; http_answer() or http_refuse() follow when it is known, and then
 * http_go_on(client). */
void http_answer_later(struct http_client *client);
void http_go_on(struct http_client *client);

/* http_refuse(client, status, text, fields): an answer of one line. */
void http_refuse(struct http_client *client, int status, const char *text, const char *fields);

/* http_stream(client, type): begins an answer without an end; false: there are too many streams, and it was refused.
 * http_send(client, bytes, length): a part of it. False: the reader is too slow, or gone, and the client is closed
 * (closed() is not called). */
bool http_stream(struct http_client *client, const char *type);
bool http_send(struct http_client *client, const char *bytes, size_t length);

#endif
