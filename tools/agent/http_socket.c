/* SPDX-License-Identifier: MIT
 * Listening sockets. */
#include "http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

enum { BACKLOG = 128, PORT_MAX = 65535 };

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

static int fail(int error, char *message, size_t size, const char *where)
{
    snprintf(message, size, "cannot listen at %s: %s", where, strerror(error));
    return -error;
}

/* ---- unix:/PATH */

/* A socket at the path to which nobody listens is what a killed agent left. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    if (fd >= 0)
        close(fd);
}

static int listen_unix(struct http_server *server, const char *path, char *error, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (path[0] != '/' || strlen(path) >= sizeof address.sun_path) {
        snprintf(error, size, "got `unix:%s', want unix:/PATH of at most 107 bytes", path);
        return -EINVAL;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    remove_stale(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177); /* from its first moment */
    int failed = fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0;
    int reason = errno;
    umask(mask);
    if (failed) {
        if (fd >= 0)
            close(fd);
        return fail(reason, error, size, path);
    }
    if (stat(path, &st) == 0) {
        server->dev = st.st_dev;
        server->ino = st.st_ino;
    }
    snprintf(server->path, sizeof server->path, "%s", path);
    snprintf(server->where, sizeof server->where, "unix:%s", path);
    server->local = true;
    return fd;
}

void http_socket_remove(const struct http_server *server)
{
    struct stat st;
    if (server->path[0] && stat(server->path, &st) == 0 && st.st_dev == server->dev && st.st_ino == server->ino)
        unlink(server->path);
}

/* ---- ADDR:PORT */

static bool parse_port(const char *text, in_port_t *port)
{
    int64_t number;
    if (!parse_count(text, strlen(text), &number) || number > PORT_MAX)
        return false;
    *port = htons((uint16_t)number);
    return true;
}

/* "PORT", "ADDR:PORT", "[V6]:PORT" or "localhost:PORT"; the address's bytes, 0: it is none. */
static socklen_t parse_address(const char *text, union any_address *out)
{
    char host[64] = "127.0.0.1";
    const char *port = strrchr(text, ':');
    size_t length = port ? (size_t)(port - text) : 0;
    if (port && length > 0 && length < sizeof host) {
        bool bracketed = text[0] == '[' && text[length - 1] == ']';
        snprintf(host, sizeof host, "%.*s", (int)(length - 2 * bracketed), text + bracketed);
        if (strcmp(host, "localhost") == 0)
            snprintf(host, sizeof host, "127.0.0.1");
        if (bracketed == (strchr(host, ':') == NULL))
            return 0;
    } else if (port) {
        return 0;
    }
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &out->in.sin_addr) == 1 && parse_port(port ? port + 1 : text, &out->in.sin_port)) {
        out->in.sin_family = AF_INET;
        return sizeof out->in;
    }
    if (inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1 &&
        parse_port(port ? port + 1 : text, &out->in6.sin6_port)) {
        out->in6.sin6_family = AF_INET6;
        return sizeof out->in6;
    }
    return 0;
}

static void describe(struct http_server *server, int fd)
{
    union any_address address;
    socklen_t bytes = sizeof address;
    char text[INET6_ADDRSTRLEN] = "?";
    getsockname(fd, &address.any, &bytes);
    bool six = address.any.sa_family == AF_INET6;
    inet_ntop(address.any.sa_family, six ? (const void *)&address.in6.sin6_addr : (const void *)&address.in.sin_addr,
              text, sizeof text);
    snprintf(server->where, sizeof server->where, six ? "http://[%s]:%u/" : "http://%s:%u/", text,
             ntohs(six ? address.in6.sin6_port : address.in.sin_port));
}

static int listen_inet(struct http_server *server, const char *text, char *error, size_t size)
{
    union any_address address;
    const int on = 1;
    socklen_t bytes = parse_address(text, &address);
    if (bytes == 0) {
        snprintf(error, size, "got `%s', want ADDR:PORT, [V6]:PORT, PORT or unix:/PATH", text);
        return -EINVAL;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(errno, error, size, text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address.any, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        int reason = errno;
        close(fd);
        return fail(reason, error, size, text);
    }
    describe(server, fd);
    return fd;
}

int http_socket(struct http_server *server, const char *listen_at, char *error, size_t size)
{
    static const char scheme[] = "unix:";
    server->path[0] = '\0';
    server->local = false;
    if (strncmp(listen_at, scheme, sizeof scheme - 1) == 0)
        return listen_unix(server, listen_at + sizeof scheme - 1, error, size);
    return listen_inet(server, listen_at, error, size);
}

bool http_is_open_to_others(const struct http_server *server)
{
    return !server->local && strncmp(server->where, "http://127.", 11) != 0 &&
           strncmp(server->where, "http://[::1]", 12) != 0;
}

/* ---- Host */

static bool is_digits(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits <= 5 && text[digits] == '\0';
}

static bool is_name(const char *name, size_t length, const char *wanted)
{
    if (length && name[length - 1] == '.')
        length--;
    return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

bool http_host_allowed(const char *host, const char *const *hosts)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    const char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    size_t length = end ? (size_t)(end - host) : strlen(host);
    if (host[0] == '[') {
        if (!end || length - 1 >= sizeof address || (end[1] && (end[1] != ':' || !is_digits(end + 2))))
            return false;
        snprintf(address, sizeof address, "%.*s", (int)(length - 1), host + 1);
        return inet_pton(AF_INET6, address, bytes) == 1;
    }
    if (end && !is_digits(end + 1))
        return false;
    if (length == 0) /* HTTP/1.0 without the field: no browser */
        return host[0] == '\0';
    if (length < sizeof address) {
        snprintf(address, sizeof address, "%.*s", (int)length, host);
        if (inet_pton(AF_INET, address, bytes) == 1)
            return true;
    }
    for (; hosts && *hosts; hosts++)
        if (is_name(host, length, *hosts))
            return true;
    return is_name(host, length, "localhost");
}
