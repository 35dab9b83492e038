/* SPDX-License-Identifier: MIT
 * The demo's flaky backend: an HTTP server that answers every request alike, and stops listening on command. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"
#include "print.h"

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

/* A socket bound to the port, 0: a free one. Never listening, one of them keeps the port ours while the backend is
 * dead: the kernel refuses connections to it. */
static int bind_port(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t length = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int start_listening(uint16_t port)
{
    int fd = bind_port(&port);
    if (fd >= 0 && listen(fd, 16) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void serve_one(int listener, _Atomic uint32_t *accepted)
{
    char request[4096];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    atomic_fetch_add(accepted, 1);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (poll(&readable, 1, 1000) == 1 && recv(fd, request, sizeof request, 0) > 0)
        send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    close(fd);
}

/* Commands are one byte, '+' or '-'; the answer is the same byte when it was obeyed, '!' when it could not be. */
static bool obey(int control, uint16_t port, int *listener)
{
    char command;
    if (read(control, &command, 1) != 1)
        return false;
    if (*listener >= 0)
        close(*listener);
    *listener = command == '+' ? start_listening(port) : -1;
    if (command == '+' && *listener < 0)
        command = '!';
    return write(control, &command, 1) == 1;
}

static void serve(int control, uint16_t port, _Atomic uint32_t *accepted)
{
    int listener = -1;
    /* An interrupt at the terminal reaches us too; the parent says when to end. */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct pollfd wait_for[] = {{.fd = control, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        if (poll(wait_for, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (wait_for[1].revents)
            serve_one(listener, accepted);
        if (wait_for[0].revents && !obey(control, port, &listener))
            _exit(0);
    }
}

static bool share_counter(struct backend *backend)
{
    void *memory = mmap(NULL, sizeof *backend->accepted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    backend->accepted = memory;
    return true;
}

bool backend_start(struct backend *backend)
{
    int pair[2];
    *backend = (struct backend){.pid = -1, .control = -1};
    int holder = bind_port(&backend->port);
    if (holder < 0 || !share_counter(backend) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        complain("demo: cannot start a backend on loopback: %s", strerror(errno));
        return false;
    }
    backend->control = pair[0];
    backend->pid = fork();
    if (backend->pid == 0) {
        close(pair[0]);
        serve(pair[1], backend->port, backend->accepted);
    }
    close(pair[1]);
    close(holder);
    return backend->pid > 0 && backend_set(backend, true);
}

bool backend_set(const struct backend *backend, bool up)
{
    char command = up ? '+' : '-', result = 0;
    if (write(backend->control, &command, 1) == 1 && read(backend->control, &result, 1) == 1 && result == command)
        return true;
    complain("demo: the backend on port %u does not obey", backend->port);
    return false;
}

void backend_stop(struct backend *backend)
{
    if (backend->control >= 0)
        close(backend->control);
    if (backend->pid > 0) {
        kill(backend->pid, SIGTERM);
        while (waitpid(backend->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    backend->pid = backend->control = -1;
}
