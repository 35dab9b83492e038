/* SPDX-License-Identifier: MIT
 * Text -> sockets. */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define UNIX_PREFIX "unix:"

struct place {
    struct sockaddr_storage addr;
    socklen_t length;
};

static bool unix_place(const char *path, struct place *place)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    if (bytes < 2 || bytes >= sizeof un.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(un.sun_path, path, bytes);
    if (path[0] == '@')
        un.sun_path[0] = '\0';
    memcpy(&place->addr, &un, sizeof un);
    place->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (path[0] != '@'));
    return true;
}

/* HOST:PORT and [V6]:PORT apart; false when it is neither. */
static bool split(const char *where, char *name, size_t size, const char **port)
{
    const char *colon = strrchr(where, ':');
    size_t bytes = colon ? (size_t)(colon - where) : 0;
    if (bytes > 2 && where[0] == '[' && where[bytes - 1] == ']') {
        where++;
        bytes -= 2;
    } else if (bytes > 0 && memchr(where, ':', bytes)) {
        return false;
    }
    if (!colon || bytes == 0 || bytes >= size || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    memcpy(name, where, bytes);
    name[bytes] = '\0';
    *port = colon + 1;
    return true;
}

static bool find_place(const char *where, bool passive, struct place *place, const char **error)
{
    char name[256];
    const char *port;
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    *error = "want ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME";
    if (strncmp(where, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return unix_place(where + strlen(UNIX_PREFIX), place);
    if (!split(where, name, sizeof name, &port))
        return false;
    int result = getaddrinfo(name, port, &hints, &list);
    if (result != 0) {
        *error = gai_strerror(result);
        return false;
    }
    memcpy(&place->addr, list->ai_addr, list->ai_addrlen);
    place->length = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static int open_socket(const struct place *place, int flags)
{
    return socket(place->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

/* Left by a listener that is gone: nobody answers there. */
static void remove_stale(const struct place *place)
{
    const char *path = ((const struct sockaddr_un *)&place->addr)->sun_path;
    struct stat status;
    if (place->addr.ss_family != AF_UNIX || !*path || lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = open_socket(place, SOCK_NONBLOCK);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&place->addr, place->length) != 0 && errno == ECONNREFUSED)
        unlink(path);
    if (fd >= 0)
        close(fd);
}

static void show(int fd, const char *where, char *shown)
{
    struct sockaddr_storage addr;
    socklen_t length = sizeof addr;
    char host[INET6_ADDRSTRLEN] = "";
    snprintf(shown, DIAL_TEXT, "%s", where);
    if (getsockname(fd, (struct sockaddr *)&addr, &length) != 0 || addr.ss_family == AF_UNIX)
        return;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;
    bool v6 = addr.ss_family == AF_INET6;
    inet_ntop(addr.ss_family, v6 ? (const void *)&in6->sin6_addr : &in->sin_addr, host, sizeof host);
    snprintf(shown, DIAL_TEXT, v6 ? "[%s]:%u" : "%s:%u", host, ntohs(v6 ? in6->sin6_port : in->sin_port));
}

int dial_listen(const char *where, char *shown, const char **error)
{
    enum { BACKLOG = 128 };
    struct place place;
    int on = 1;
    if (!find_place(where, true, &place, error))
        return -1;
    remove_stale(&place);
    int fd = open_socket(&place, 0);
    if (fd >= 0 && (place.addr.ss_family == AF_UNIX || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)&place.addr, place.length) == 0 && listen(fd, BACKLOG) == 0) {
        show(fd, where, shown);
        return fd;
    }
    *error = strerror(errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool dial_wait(int fd, short events, uint64_t end_ns)
{
    struct pollfd one = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        int rest_ms = now_ns < end_ns ? (int)((end_ns - now_ns + 999999) / 1000000) : 0;
        int result = poll(&one, 1, rest_ms);
        if (result != 0 && !(result < 0 && errno == EINTR))
            return result > 0;
        if (result == 0 && clock_now_ns() >= end_ns)
            return false;
    }
}

int dial_connect(const char *where, int64_t timeout_ns, const char **error)
{
    struct place place;
    int code = 0;
    socklen_t length = sizeof code;
    uint64_t end_ns = clock_now_ns() + (uint64_t)timeout_ns;
    if (!find_place(where, false, &place, error))
        return -1;
    int fd = open_socket(&place, SOCK_NONBLOCK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&place.addr, place.length) == 0) {
        *error = strerror(errno);
        return fd;
    }
    code = errno;
    if (code == EINPROGRESS && !dial_wait(fd, POLLOUT, end_ns))
        code = ETIMEDOUT;
    else if (code == EINPROGRESS && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0)
        code = errno;
    if (code == 0)
        return fd;
    *error = strerror(code);
    close(fd);
    return -1;
}

bool dial_write(int fd, const void *bytes, size_t length, uint64_t end_ns)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = send(fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written > 0) {
            at += written;
            length -= (size_t)written;
        } else if (written < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!dial_wait(fd, POLLOUT, end_ns)) {
            return false;
        }
    }
    return true;
}

ssize_t dial_read(int fd, void *bytes, size_t size, uint64_t end_ns)
{
    for (;;) {
        ssize_t got = recv(fd, bytes, size, MSG_DONTWAIT);
        if (got >= 0 || (errno != EAGAIN && errno != EINTR))
            return got;
        if (!dial_wait(fd, POLLIN, end_ns)) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}
