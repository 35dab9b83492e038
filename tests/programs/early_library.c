/* SPDX-License-Identifier: MIT
 * A library whose constructor connects, sends and waits: before main(), perhaps before any other constructor. As a
 * plugin (plugin_get) it does the same when it is called. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *exchange(void)
{
    static char text[100];
    const char *port = getenv("EARLY_PORT");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port ? port : "0"))};
    struct pollfd one = {.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
    char byte = 'x';
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    const char *failed = connect(one.fd, (struct sockaddr *)&to, sizeof to) != 0 ? "connect"
                         : write(one.fd, &byte, 1) != 1                          ? "write"
                         : poll(&one, 1, 5000) != 1                              ? "poll"
                         : read(one.fd, &byte, 1) != 1                           ? "read"
                                                                                 : NULL;
    int copy = dup(one.fd);
    snprintf(text, sizeof text, "%s %s\n", failed ? failed : "exchanged", failed ? strerrorname_np(errno) : "");
    close(copy);
    close(one.fd);
    return text;
}

const char *plugin_get(void)
{
    return exchange();
}

__attribute__((constructor)) static void early(void)
{
    if (getenv("EARLY_CONSTRUCTOR"))
        fputs(exchange(), stderr);
}
