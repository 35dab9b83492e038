/* SPDX-License-Identifier: MIT
 * Questions by UDP, and by TCP where UDP is too short. */
#include "dns_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { SERVERS_MAX = 3, ROUNDS = 2, PATIENCE_MS = 2000, DNS_PORT = 53 };

union server {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static bool set_server(union server *server, const char *text, uint16_t port)
{
    memset(server, 0, sizeof *server);
    if (inet_pton(AF_INET, text, &server->in.sin_addr) == 1) {
        server->in.sin_family = AF_INET;
        server->in.sin_port = htons(port);
        return true;
    }
    server->in6.sin6_family = AF_INET6;
    server->in6.sin6_port = htons(port);
    return inet_pton(AF_INET6, text, &server->in6.sin6_addr) == 1;
}

static socklen_t bytes_of(const union server *server)
{
    return server->any.sa_family == AF_INET ? sizeof server->in : sizeof server->in6;
}

/* As libc has it: at most three, and this host's when none is named. */
static unsigned system_servers(union server out[SERVERS_MAX])
{
    char line[512], address[64];
    unsigned count = 0;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file && count < SERVERS_MAX && fgets(line, sizeof line, file))
        if (sscanf(line, "nameserver %63s", address) == 1)
            count += set_server(&out[count], address, DNS_PORT);
    if (file)
        fclose(file);
    if (count == 0)
        count = set_server(&out[0], "127.0.0.1", DNS_PORT);
    return count;
}

static int connect_to(const union server *server, int type)
{
    int fd = socket(server->any.sa_family, type | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* bounds connect(), too */
    if (connect(fd, &server->any, bytes_of(server)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The first message that is the answer; what somebody else sends in between costs its own time only. */
static bool wait_by_udp(int fd, const struct dns_question *question, struct dns_reply *reply)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)PATIENCE_MS * (uint64_t)NS_PER_MS;
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        if (now_ns >= end_ns || poll(&pollfd, 1, (int)((end_ns - now_ns) / (uint64_t)NS_PER_MS) + 1) <= 0)
            return false;
        ssize_t got = recv(fd, reply->message, sizeof reply->message, 0);
        if (got < 0)
            return false; /* nobody is there */
        reply->length = (size_t)got;
        reply->verdict = dns_answer(question, reply->message, reply->length);
        if (reply->verdict != DNS_FOREIGN)
            return true;
    }
}

static bool ask_by_udp(const union server *server, const struct dns_question *question, const uint8_t *message,
                       size_t length, struct dns_reply *reply)
{
    int fd = connect_to(server, SOCK_DGRAM);
    if (fd < 0)
        return false;
    bool answered = send(fd, message, length, MSG_NOSIGNAL) == (ssize_t)length && wait_by_udp(fd, question, reply);
    close(fd);
    return answered;
}

static bool receive_all(int fd, uint8_t *out, size_t length)
{
    for (size_t used = 0; used < length;) {
        ssize_t got = recv(fd, out + used, length - used, 0);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        used += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool ask_by_tcp(const union server *server, const struct dns_question *question, const uint8_t *message,
                       size_t length, struct dns_reply *reply)
{
    uint8_t frame[2 + DNS_QUESTION] = {(uint8_t)(length >> 8), (uint8_t)length}, head[2];
    int fd = connect_to(server, SOCK_STREAM);
    if (fd < 0)
        return false;
    memcpy(frame + 2, message, length);
    bool answered = send(fd, frame, length + 2, MSG_NOSIGNAL) == (ssize_t)length + 2 && receive_all(fd, head, 2);
    if (answered) {
        reply->length = (size_t)head[0] << 8 | head[1];
        answered = receive_all(fd, reply->message, reply->length);
    }
    close(fd);
    if (!answered)
        return false;
    reply->verdict = dns_answer(question, reply->message, reply->length);
    if (reply->verdict == DNS_FOREIGN || reply->verdict == DNS_TRUNCATED)
        reply->verdict = DNS_DAMAGED;
    return true;
}

static bool ask(const union server *server, const char *name, uint16_t type, struct dns_reply *reply)
{
    uint8_t message[DNS_QUESTION];
    struct dns_question question = {.type = type};
    if (getrandom(&question.id, sizeof question.id, 0) != (ssize_t)sizeof question.id)
        question.id = (uint16_t)clock_now_ns();
    snprintf(question.name, sizeof question.name, "%s", name);
    size_t length = dns_ask(&question, message);
    if (length == 0) {
        reply->verdict = DNS_NO_NAME;
        return true;
    }
    return ask_by_udp(server, &question, message, length, reply) &&
           (reply->verdict != DNS_TRUNCATED || ask_by_tcp(server, &question, message, length, reply));
}

static const char *describe(enum dns_verdict verdict)
{
    switch (verdict) {
    case DNS_ANSWERED:
        return NULL;
    case DNS_NO_NAME:
        return "there is no such name";
    case DNS_FAILED:
        return "the name server failed";
    case DNS_DAMAGED:
    case DNS_TRUNCATED:
    case DNS_FOREIGN:
        break;
    }
    return "the name server's answer is damaged";
}

const char *dns_lookup(const struct discovery *discovery, const char *name, uint16_t type, struct dns_reply *reply)
{
    union server server[SERVERS_MAX];
    unsigned count = discovery->server[0] ? set_server(&server[0], discovery->server, discovery->server_port)
                                          : system_servers(server);
    const char *why = "no name server answers";
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < count; i++) {
            if (!ask(&server[i], name, type, reply))
                continue;
            why = describe(reply->verdict);
            if (!why || reply->verdict == DNS_NO_NAME)
                return why;
        }
    }
    return why;
}
