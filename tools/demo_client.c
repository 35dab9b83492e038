/* SPDX-License-Identifier: MIT
 * The demo's client. Nothing here knows of libresil: it is a program like any other, and curl is preferred to
 * it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "demo.h"
#include "preload.h"
#include "program.h"

void client_choose(struct client *client)
{
    client->is_curl = program_find("curl", client->path, sizeof client->path);
    if (!client->is_curl && !preload_self(client->path, sizeof client->path))
        client->path[0] = '\0';
}

static void become_client(const struct client *client, uint16_t port, int output)
{
    char number[8], url[64];
    snprintf(number, sizeof number, "%u", port);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    dup2(output, STDOUT_FILENO);
    if (client->is_curl)
        execl(client->path, "curl", "-q", "--silent", "--noproxy", "*", "--max-time", "10", "--output", "/dev/null",
              "--write-out", "%{http_code} %{time_total}", url, (char *)NULL);
    else
        execl(client->path, "resctl", "demo", "--client", "127.0.0.1", number, (char *)NULL);
    _exit(127);
}

bool client_call(const struct client *client, uint16_t port, struct call *call)
{
    char text[64] = "";
    size_t used = 0;
    int ends[2], status = 0;
    *call = (struct call){.code = -1};
    if (pipe(ends) != 0)
        return false;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become_client(client, port, ends[1]);
    close(ends[1]);
    for (ssize_t got; pid > 0 && used + 1 < sizeof text; used += (size_t)got)
        if ((got = read(ends[0], text + used, sizeof text - 1 - used)) <= 0)
            break;
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid <= 0 || !WIFEXITED(status) || sscanf(text, "%d %lf", &call->http_status, &call->seconds) != 2)
        return false;
    call->code = WEXITSTATUS(status);
    return true;
}

static int code_of(int error)
{
    return error == ETIMEDOUT ? CALL_TIMEOUT : error == ECONNREFUSED ? CALL_REFUSED : CALL_RESET;
}

/* One GET; the status of the answer or 0. */
static int get(const struct sockaddr_in *address, int *code)
{
    static const char request[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    char answer[512] = "";
    int status = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 || recv(fd, answer, sizeof answer - 1, 0) < 0)
        *code = code_of(errno);
    else if (sscanf(answer, "HTTP/%*s %d", &status) != 1)
        *code = CALL_RESET;
    if (fd >= 0)
        close(fd);
    return status;
}

int client_main(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int code = CALL_OK;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return CALL_REFUSED;
    uint64_t start_ns = clock_now_ns();
    int status = get(&address, &code);
    printf("%03d %.6f", status, (double)(clock_now_ns() - start_ns) / (double)NS_PER_S);
    return code;
}
