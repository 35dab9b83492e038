/* SPDX-License-Identifier: MIT
 * asker PORT: two requests over two connections, one that blocks and one in a poll loop, and what came of each. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 15000 };

/* What a call said: its error's name, or the answer. */
static void say(const char *what, int error, const char *answer)
{
    printf("%s: %s\n", what, error ? strerrorname_np(error) : answer);
}

static int wait_for(int fd, short events)
{
    struct pollfd watched = {.fd = fd, .events = events};
    int ready;
    do
        ready = poll(&watched, 1, WAIT_MS);
    while (ready < 0 && errno == EINTR);
    return ready == 1 ? 0 : ready == 0 ? ETIME : errno;
}

static int start(int fd, const struct sockaddr_in *to, int waits)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return 0;
    if (errno != EINPROGRESS || waits)
        return errno;
    if ((error = wait_for(fd, POLLOUT)) != 0)
        return error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) ? errno : error;
}

static int ask(int fd, char *answer, size_t size, int waits)
{
    static const char question[] = "GET / HTTP/1.0\r\n\r\n";
    size_t used = 0;
    if (write(fd, question, sizeof question - 1) != (ssize_t)sizeof question - 1)
        return errno;
    for (;;) {
        int error = waits ? 0 : wait_for(fd, POLLIN);
        ssize_t got = error ? 0 : recv(fd, answer + used, size - 1 - used, 0);
        if (error)
            return error;
        if (got < 0 && errno == EAGAIN && !waits)
            continue;
        if (got <= 0) {
            answer[used] = '\0';
            return got < 0 ? errno : 0;
        }
        used += (size_t)got;
    }
}

int main(int argc, char **argv)
{
    char answer[4096] = "";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[argc > 1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int waits = 1; waits >= 0; waits--) {
        int fd = socket(AF_INET, waits ? SOCK_STREAM : SOCK_STREAM | SOCK_NONBLOCK, 0);
        int error = start(fd, &to, waits);
        say(waits ? "connect" : "connect later", error, "ok");
        if (!error)
            say(waits ? "answer" : "answer later", ask(fd, answer, sizeof answer, waits), answer);
        printf("%d: %s\n", fd, close(fd) ? strerrorname_np(errno) : "closed");
    }
    return 0;
}
