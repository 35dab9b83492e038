/* SPDX-License-Identifier: MIT
 * Connections: from the first byte to the last. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../print.h"
#include "base/clock.h"
#include "http_socket.h"

#define HEAD_NS   (5 * (uint64_t)NS_PER_S)
#define IDLE_NS   (30 * (uint64_t)NS_PER_S)
#define WRITE_NS  (30 * (uint64_t)NS_PER_S)
#define LINGER_NS (2 * (uint64_t)NS_PER_S)

/* The kernel would take megabytes for a peer that reads nothing. */
enum { STREAM_MAX = 1 << 21, SEND_BUFFER = 1 << 16 };

static void arm(struct http_client *client, uint64_t after_ns)
{
    loop_arm(client->server->loop, &client->timer, clock_now_ns() + after_ns);
}

/* There is a place again. */
static void resume(struct http_server *server)
{
    if (!server->paused)
        return;
    server->paused = false;
    loop_watch(server->loop, &server->io, EPOLLIN);
}

static void drop(struct http_client *client)
{
    struct http_server *server = client->server;
    int fd = client->io.fd;
    loop_disarm(server->loop, &client->timer);
    loop_forget(server->loop, &client->io);
    close(fd);
    free(client->output);
    client->output = NULL;
    client->output_bytes = client->sent = client->used = 0;
    client->state = HTTP_FREE;
    resume(server);
}

/* Its peer is gone, or late: whoever streams into it is told. */
static void lose(struct http_client *client)
{
    if (client->state == HTTP_STREAMING || client->state == HTTP_WAITING)
        client->server->closed(client->server->data, client);
    drop(client);
}

/* ---- answers */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{200, "OK"},
                {202, "Accepted"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return status < 300 ? "OK" : status < 500 ? "Refused" : "Unavailable";
}

/* A page of another origin can neither read an answer nor show it in a frame; nothing is kept in a cache. */
static const char usual_fields[] = "Cache-Control: no-store\r\n"
                                   "X-Content-Type-Options: nosniff\r\n"
                                   "X-Frame-Options: DENY\r\n"
                                   "Referrer-Policy: no-referrer\r\n"
                                   "Cross-Origin-Resource-Policy: same-origin\r\n";

static void write_head(FILE *out, const struct http_client *client, const struct http_answer *answer, bool stream)
{
    char date[40];
    struct tm tm;
    time_t now = (time_t)(clock_wall_ns() / (uint64_t)NS_PER_S);
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    fprintf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n", answer->status, reason_of(answer->status), date,
            answer->type);
    if (!stream)
        fprintf(out, "Content-Length: %zu\r\n", answer->bytes);
    fprintf(out, "Connection: %s\r\n%s%s\r\n", client->close_after ? "close" : "keep-alive", usual_fields,
            answer->fields ? answer->fields : "");
}

static void set_output(struct http_client *client, const struct http_answer *answer, bool stream)
{
    free(client->output);
    client->sent = 0;
    FILE *out = open_memstream(&client->output, &client->output_bytes);
    if (!out) {
        client->output = NULL;
        client->output_bytes = 0;
        client->close_after = true;
        return;
    }
    write_head(out, client, answer, stream);
    if (!client->head_only && answer->bytes)
        fwrite(answer->body, 1, answer->bytes, out);
    if (fclose(out) != 0) {
        client->output_bytes = 0;
        client->close_after = true;
    }
}

void http_answer(struct http_client *client, const struct http_answer *answer)
{
    set_output(client, answer, false);
    client->state = HTTP_WRITING;
}

void http_refuse(struct http_client *client, int status, const char *text, const char *fields)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%s\n", text);
    struct http_answer answer = {.status = status, .type = "text/plain; charset=utf-8", .fields = fields, .body = line};
    answer.bytes = length < 0 ? 0 : (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    http_answer(client, &answer);
}

/* ---- writing */

/* Writes what can be written now; true: there is nothing left to write. A lost connection takes everything: the loop
 * tells of it. */
static bool push(struct http_client *client)
{
    while (client->sent < client->output_bytes) {
        ssize_t sent = send(client->io.fd, client->output + client->sent, client->output_bytes - client->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent <= 0) {
            client->close_after = true;
            client->sent = client->output_bytes;
            return true;
        }
        client->sent += (size_t)sent;
    }
    return true;
}

static void watch_stream(struct http_client *client, bool all)
{
    loop_watch(client->server->loop, &client->io, EPOLLIN | EPOLLRDHUP | (all ? 0u : (uint32_t)EPOLLOUT));
}

bool http_stream(struct http_client *client, const char *type)
{
    unsigned streams = 0;
    for (unsigned i = 0; i < HTTP_CLIENTS; i++)
        streams += client->server->client[i].state == HTTP_STREAMING;
    if (streams >= HTTP_STREAMS) {
        http_refuse(client, 503, "too many streams", "Retry-After: 5\r\n");
        return false;
    }
    client->close_after = true;
    client->context = NULL;
    set_output(client, &(struct http_answer){.status = 200, .type = type}, true);
    client->state = HTTP_STREAMING;
    if (client->head_only)
        client->state = HTTP_WRITING;
    return client->state == HTTP_STREAMING;
}

bool http_send(struct http_client *client, const char *bytes, size_t length)
{
    size_t rest = client->output_bytes - client->sent;
    char *grown = rest + length <= STREAM_MAX ? malloc(rest + length + 1) : NULL;
    if (!grown) {
        drop(client);
        return false;
    }
    memcpy(grown, client->output + client->sent, rest);
    memcpy(grown + rest, bytes, length);
    free(client->output);
    client->output = grown;
    client->output_bytes = rest + length;
    client->sent = 0;
    watch_stream(client, push(client));
    return true;
}

/* ---- requests */

static void handle(struct http_client *client, const struct http_request *request, const char *body)
{
    struct http_server *server = client->server;
    client->close_after = !request->keep_alive;
    client->head_only = request->method == HTTP_HEAD;
    if (!server->local && !http_host_allowed(request->host, server->hosts))
        http_refuse(client, 403, "this server is not asked for by that name; start the agent with --host NAME", NULL);
    else
        server->handle(server->data, client, request, body);
}

/* Takes one request out of the input. False: there is none yet. */
static bool take_request(struct http_client *client)
{
    struct http_request request;
    char body[HTTP_BODY_MAX + 1];
    size_t head;
    int status = client->used ? http_parse(client->input, client->used, &request, &head) : 0;
    if (status == 0)
        return false;
    if (status != 200) {
        client->close_after = true;
        client->head_only = false;
        http_refuse(client, status, "this request is not understood", NULL);
        client->used = 0;
        return true;
    }
    size_t bytes = (size_t)request.content_length;
    if (client->used - head < bytes)
        return false;
    memcpy(body, client->input + head, bytes);
    body[bytes] = '\0';
    client->used -= head + bytes;
    memmove(client->input, client->input + head + bytes, client->used);
    handle(client, &request, body);
    return true;
}

/* A peer that still sends would get a reset in place of our last words, were the connection closed at once. */
static void end_answer(struct http_client *client)
{
    struct http_server *server = client->server;
    if (client->close_after) {
        shutdown(client->io.fd, SHUT_WR);
        client->state = HTTP_LINGERING;
        loop_watch(server->loop, &client->io, EPOLLIN);
        arm(client, LINGER_NS);
        return;
    }
    client->state = HTTP_READING;
    client->since_ns = clock_now_ns();
    arm(client, client->used ? HEAD_NS : IDLE_NS);
}

/* Requests that were sent one behind the other are answered one in each round of the loop: nobody waits for another
 * one's whole queue. */
static void await_request(struct http_client *client)
{
    loop_watch(client->server->loop, &client->io, EPOLLIN | (client->used ? (uint32_t)EPOLLOUT : 0u));
    if (client->used == 0)
        resume(client->server); /* it could make room */
}

static void serve(struct http_client *client)
{
    if (client->state == HTTP_READING) {
        if (!take_request(client)) {
            loop_watch(client->server->loop, &client->io, EPOLLIN);
            return;
        }
        if (client->state == HTTP_FREE) /* a stream whose beginning was too much */
            return;
        arm(client, WRITE_NS); /* for the whole answer: not again at each part */
    }
    if (client->state == HTTP_WAITING) {
        loop_watch(client->server->loop, &client->io, EPOLLRDHUP);
        return;
    }
    bool all = push(client);
    if (client->state == HTTP_STREAMING) {
        loop_disarm(client->server->loop, &client->timer);
        watch_stream(client, all);
    } else if (!all) {
        loop_watch(client->server->loop, &client->io, EPOLLOUT);
    } else {
        end_answer(client);
        if (client->state == HTTP_READING)
            await_request(client);
    }
}

void http_answer_later(struct http_client *client)
{
    client->context = NULL;
    client->state = HTTP_WAITING;
}

void http_go_on(struct http_client *client)
{
    serve(client);
}

/* False: the peer is gone. */
static bool fill(struct http_client *client)
{
    bool idle = client->used == 0;
    if (client->used == sizeof client->input) /* of requests that wait */
        return true;
    ssize_t got = recv(client->io.fd, client->input + client->used, sizeof client->input - client->used, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    client->used += (size_t)got;
    if (idle && got > 0)
        arm(client, HEAD_NS); /* from the first byte, not from each */
    return got > 0;
}

/* What comes where nothing is expected is thrown away. False: the peer is gone. */
static bool discard(struct http_client *client)
{
    char rest[4096];
    ssize_t got = recv(client->io.fd, rest, sizeof rest, MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void read_stream(struct http_client *client, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) || (events & EPOLLIN && !discard(client)))
        lose(client);
    else
        watch_stream(client, push(client));
}

static void on_ready(void *data, uint32_t events)
{
    struct http_client *client = data;
    if (client->state == HTTP_STREAMING)
        read_stream(client, events);
    else if (client->state == HTTP_WAITING)
        lose(client);
    else if (client->state == HTTP_LINGERING && !discard(client))
        drop(client);
    else if (client->state == HTTP_READING && events & ~(uint32_t)EPOLLOUT && !fill(client))
        drop(client);
    else if (client->state != HTTP_LINGERING)
        serve(client);
}

/* Too late. A head that never came whole is told so; an idle connection is closed without a word. */
static void on_timer(void *data)
{
    struct http_client *client = data;
    if (client->state == HTTP_READING && client->used) {
        client->close_after = true;
        client->head_only = false;
        client->used = 0;
        http_refuse(client, 408, "the request took too long", NULL);
        push(client);
    }
    lose(client);
}

/* ---- new connections */

/* A place: a free one, or that of the connection that has been idle for longest. */
static struct http_client *find_place(struct http_server *server)
{
    struct http_client *idle = NULL;
    for (unsigned i = 0; i < HTTP_CLIENTS; i++) {
        struct http_client *client = &server->client[i];
        if (client->state == HTTP_FREE)
            return client;
        bool waits = client->state == HTTP_LINGERING || (client->state == HTTP_READING && client->used == 0);
        if (waits && (!idle || client->since_ns < idle->since_ns))
            idle = client;
    }
    if (idle)
        drop(idle);
    return idle;
}

/* One at a time: a place is looked for only when somebody is there who wants it. */
static void on_accept(void *data, uint32_t events)
{
    struct http_server *server = data;
    static const int send_buffer = SEND_BUFFER;
    struct http_client *client = find_place(server);
    int fd = server->io.fd;
    (void)events;
    if (!client) { /* the kernel keeps them until somebody leaves */
        loop_forget(server->loop, &server->io);
        server->io.fd = fd;
        server->paused = true;
        return;
    }
    fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    client->server = server;
    client->io = (struct loop_io){.fd = fd, .ready = on_ready, .data = client};
    client->timer = (struct loop_timer){.fire = on_timer, .data = client};
    client->used = client->output_bytes = client->sent = 0;
    client->state = HTTP_READING;
    client->since_ns = clock_now_ns();
    if (loop_watch(server->loop, &client->io, EPOLLIN))
        arm(client, HEAD_NS);
    else
        drop(client);
}

int http_listen(struct http_server *server, const char *listen_at, char *error, size_t size)
{
    int fd = http_socket(server, listen_at, error, size);
    if (fd < 0)
        return fd;
    server->io = (struct loop_io){.fd = fd, .ready = on_accept, .data = server};
    if (loop_watch(server->loop, &server->io, EPOLLIN))
        return 0;
    int code = -errno;
    snprintf(error, size, "cannot watch %s: %s", server->where, strerror(errno));
    http_socket_remove(server);
    close(fd);
    return code;
}

void http_close(struct http_server *server)
{
    int fd = server->io.fd;
    if (!server->where[0])
        return;
    for (unsigned i = 0; i < HTTP_CLIENTS; i++)
        if (server->client[i].state != HTTP_FREE)
            drop(&server->client[i]);
    loop_forget(server->loop, &server->io);
    close(fd);
    http_socket_remove(server);
    server->where[0] = '\0';
}
