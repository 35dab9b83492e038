/* SPDX-License-Identifier: MIT
 * HTTP/1.1, one request for a connection. */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOST_BYTES = 256, FIRST_ROOM = 16384 };

/* The pieces of the address. */
struct place {
    char scheme[8], host[HOST_BYTES], port[8], prefix[FETCH_URL], authority[HOST_BYTES + 16];
};

__attribute__((format(printf, 2, 3))) static bool fail(struct fetch *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(what->error, sizeof what->error, format, args);
    va_end(args);
    return false;
}

static bool copy(char *out, size_t size, const char *text, size_t length)
{
    if (length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT */
static bool split_authority(struct place *place)
{
    const char *text = place->authority, *end = text + strlen(text);
    bool bracketed = text[0] == '[';
    const char *host_end = bracketed ? strchr(text, ']') : strchr(text, ':');
    if (!host_end)
        host_end = bracketed ? text : end;
    if (!copy(place->host, sizeof place->host, text + bracketed, (size_t)(host_end - text) - bracketed) ||
        !place->host[0])
        return false;
    const char *rest = host_end + bracketed;
    if (*rest == '\0')
        return true;
    return *rest == ':' && rest[1] && copy(place->port, sizeof place->port, rest + 1, strlen(rest + 1));
}

static bool split(const char *base, struct place *place)
{
    const char *mark = strstr(base, "://");
    if (!copy(place->scheme, sizeof place->scheme, mark ? base : "http", mark ? (size_t)(mark - base) : 4))
        return false;
    base = mark ? mark + 3 : base;
    if (strcmp(place->scheme, "unix") == 0) {
        snprintf(place->authority, sizeof place->authority, "localhost");
        return copy(place->prefix, sizeof place->prefix, base, strlen(base)); /* the socket's path here */
    }
    size_t length = strcspn(base, "/"), rest = strlen(base + length);
    while (rest > 0 && base[length + rest - 1] == '/')
        rest--;
    snprintf(place->port, sizeof place->port, "%s", strcmp(place->scheme, "https") == 0 ? "443" : "80");
    return copy(place->authority, sizeof place->authority, base, length) && split_authority(place) &&
           copy(place->prefix, sizeof place->prefix, base + length, rest);
}

/* ---- the connection ------------------------------------------------------------------------------- */

static int connect_unix(const struct place *place)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (!copy(un.sun_path, sizeof un.sun_path, place->prefix, strlen(place->prefix)))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_inet(struct fetch *what, const struct place *place)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo(place->host, place->port, &hints, &list), fd = -1;
    if (error) {
        fail(what, "%s: %s", place->host, gai_strerror(error));
        return -1;
    }
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            continue;
        int saved = errno;
        close(fd);
        errno = saved;
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        fail(what, "%s: %s", place->authority, strerror(errno));
    return fd;
}

/* Everything until the end; *length of it, with a NUL behind. */
static bool read_all(struct fetch *what, int fd, size_t *length)
{
    size_t room = 0, used = 0;
    for (;;) {
        if (used + 1 >= room) {
            room = room ? 2 * room : FIRST_ROOM;
            char *more = room > FETCH_BYTES ? NULL : realloc(what->text, room);
            if (!more)
                return fail(what, "the answer is too large");
            what->text = more;
        }
        ssize_t got = read(fd, what->text + used, room - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(what, "%s", strerror(errno));
        if (got == 0)
            break;
        used += (size_t)got;
    }
    what->text[used] = '\0';
    *length = used;
    return true;
}

static bool send_request(struct fetch *what, const struct place *place, int fd)
{
    char request[3 * FETCH_URL];
    const char *prefix = strcmp(place->scheme, "unix") == 0 ? "" : place->prefix;
    int length =
        snprintf(request, sizeof request,
                 "GET %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: resctl\r\nAccept: application/json\r\n"
                 "Connection: close\r\n%s%s\r\n",
                 prefix, what->path, place->authority, what->header ? what->header : "", what->header ? "\r\n" : "");
    if (length < 0 || (size_t)length >= sizeof request)
        return fail(what, "the request is too long");
    for (int sent = 0; sent < length;) {
        ssize_t done = send(fd, request + sent, (size_t)(length - sent), MSG_NOSIGNAL);
        if (done < 0 && errno != EINTR)
            return fail(what, "%s: %s", place->authority, strerror(errno));
        sent += done > 0 ? (int)done : 0;
    }
    return true;
}

/* ---- https: curl ---------------------------------------------------------------------------------- */

/* A line of curl's configuration: quotes and backslashes are escaped. */
static void write_option(FILE *file, const char *name, const char *first, const char *second)
{
    const char *const parts[] = {first, second};
    fprintf(file, "%s = \"", name);
    for (int i = 0; i < 2; i++)
        for (const char *at = parts[i]; at && *at; at++)
            fprintf(file, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    fputs("\"\n", file);
}

static pid_t start_curl(int input, int output)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    execlp("curl", "curl", "-q", "-sS", "-i", "--http1.1", "--raw", "-K", "-", (char *)NULL);
    _exit(127);
}

/* The pipe takes all of it at once: what is written is shorter than PIPE_BUF. */
static void configure_curl(const struct fetch *what, const struct place *place, int fd)
{
    char url[2 * FETCH_URL];
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return;
    }
    snprintf(url, sizeof url, "https://%s%s", place->authority, place->prefix);
    write_option(file, "url", url, what->path);
    write_option(file, "header", "Accept: application/json", NULL);
    if (what->header)
        write_option(file, "header", what->header, NULL);
    if (what->ca_file)
        write_option(file, "cacert", what->ca_file, NULL);
    fclose(file);
}

static bool fetch_by_curl(struct fetch *what, const struct place *place, size_t *length)
{
    int in[2], out[2], status = 0;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return fail(what, "%s", strerror(errno));
    pid_t pid = start_curl(in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (pid < 0)
        return fail(what, "%s", strerror(errno));
    configure_curl(what, place, in[1]);
    bool read = read_all(what, out[0], length);
    close(out[0]);
    waitpid(pid, &status, 0);
    if (read && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fail(what, "https needs the program curl");
    return what->error[0] ? false : fail(what, "https://%s: curl ends with %d", place->authority, WEXITSTATUS(status));
}

/* ---- the answer ----------------------------------------------------------------------------------- */

bool fetch_header(const struct fetch *what, const char *name, char *out, size_t size)
{
    const char *at = what->headers, *end = what->headers + what->headers_length;
    size_t length = strlen(name);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t line = line_end ? (size_t)(line_end - at) : (size_t)(end - at);
        if (line > length && strncasecmp(at, name, length) == 0 && at[length] == ':') {
            const char *value = at + length + 1, *value_end = at + line;
            while (value < value_end && (*value == ' ' || *value == '\t'))
                value++;
            while (value_end > value && (value_end[-1] == '\r' || value_end[-1] == ' '))
                value_end--;
            return copy(out, size, value, (size_t)(value_end - value));
        }
        at += line + 1;
    }
    return false;
}

/* Chunks in place of which the body stands afterwards. */
static bool join_chunks(struct fetch *what, char *body, size_t length)
{
    char *from = body, *to = body, *end = body + length;
    for (;;) {
        char *line_end = memchr(from, '\n', (size_t)(end - from)), *digits_end;
        if (!line_end || !strchr("0123456789abcdefABCDEF", *from) || !*from)
            return fail(what, "the answer's chunks are damaged");
        errno = 0;
        unsigned long bytes = strtoul(from, &digits_end, 16);
        from = line_end + 1;
        if (errno || bytes > (size_t)(end - from) || (*digits_end != '\r' && *digits_end != '\n' && *digits_end != ';'))
            return fail(what, "the answer is cut short");
        if (bytes == 0)
            break;
        memmove(to, from, bytes);
        to += bytes;
        from += bytes;
        if (end - from >= 2 && from[0] == '\r' && from[1] == '\n')
            from += 2;
        else
            return fail(what, "the answer's chunks are damaged");
    }
    what->body_length = (size_t)(to - body);
    return true;
}

bool fetch_read(struct fetch *what, size_t length)
{
    char value[64];
    char *split_at = strstr(what->text, "\r\n\r\n");
    if (sscanf(what->text, "HTTP/%*d.%*d %3d ", &what->status) != 1 || !split_at)
        return fail(what, "the answer is not HTTP");
    what->headers = what->text;
    what->headers_length = (size_t)(split_at - what->text);
    what->body = split_at + 4;
    what->body_length = length - what->headers_length - 4;
    if (fetch_header(what, "Transfer-Encoding", value, sizeof value))
        return strcasecmp(value, "chunked") == 0 ? join_chunks(what, split_at + 4, what->body_length)
                                                 : fail(what, "the answer is encoded as %s", value);
    if (fetch_header(what, "Content-Length", value, sizeof value) && strtoull(value, NULL, 10) != what->body_length)
        return fail(what, "the answer is cut short");
    return true;
}

bool fetch(struct fetch *what)
{
    struct place place = {.scheme = ""};
    size_t length = 0;
    bool got;
    what->error[0] = '\0';
    what->text = NULL;
    if (!split(what->base, &place))
        return fail(what, "%s: no address", what->base);
    if (strcmp(place.scheme, "https") == 0)
        return fetch_by_curl(what, &place, &length) && fetch_read(what, length);
    bool local = strcmp(place.scheme, "unix") == 0;
    if (!local && strcmp(place.scheme, "http") != 0)
        return fail(what, "%s: not http, https or unix", what->base);
    int fd = local ? connect_unix(&place) : connect_inet(what, &place);
    if (fd < 0)
        return what->error[0] ? false : fail(what, "%s: %s", place.prefix, strerror(errno));
    got = send_request(what, &place, fd) && read_all(what, fd, &length);
    close(fd);
    return got && fetch_read(what, length);
}
