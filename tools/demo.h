/* SPDX-License-Identifier: MIT
 * The parts of the demo: a backend that can be killed and revived, and calls to it by an unmodified client. */
#ifndef RESCTL_DEMO_H
#define RESCTL_DEMO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A backend process of our own on a loopback port. Its connections are counted in memory that we share with it. */
struct backend {
    pid_t pid;
    int control; /* our end; closing it ends the process */
    uint16_t port;
    _Atomic uint32_t *accepted;
};

bool backend_start(struct backend *backend);
bool backend_set(const struct backend *backend, bool up); /* returns when it is so */
void backend_stop(struct backend *backend);

/* What a client does to say how its call went; the numbers are curl's. */
enum call_code { CALL_OK = 0, CALL_REFUSED = 7, CALL_TIMEOUT = 28, CALL_RESET = 56 };

struct call {
    int code;
    int http_status;
    double seconds; /* of the call, without the start of the client */
};

/* A client: curl, or this program itself as `resctl demo --client HOST PORT'. */
struct client {
    bool is_curl;
    char path[4096];
};

void client_choose(struct client *client);
bool client_call(const struct client *client, uint16_t port, struct call *call);

/* client_main(host, port): the client's own life: one HTTP GET; prints "STATUS SECONDS". Returns an enum call_code. */
int client_main(const char *host, const char *port);

#endif
