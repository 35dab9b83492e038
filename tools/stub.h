/* SPDX-License-Identifier: MIT
 * The parts of `resctl stub`. Each connection has a process of its own, with a deadline: whatever it meets, the others
 * go on, and nothing is left of it. */
#ifndef RESCTL_STUB_H
#define RESCTL_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "options.h"
#include "spool.h"

struct stub {
    unsigned status; /* of a static answer */
    char *body;      /* its contents, NULL without --file */
    size_t body_bytes;
    const char *type;      /* its Content-Type */
    int64_t retry_after_s; /* -1: none */
    struct option_list headers;
    bool spools;
    struct spool spool;
    const char *cache;    /* a directory, NULL: no copies */
    const char *upstream; /* with it */
    int64_t timeout_ns;   /* of a client, and of the upstream */
    size_t max_bytes;     /* of a message */
};

/* stub_serve(stub, fd): one connection, one request. In a process of its own. */
void stub_serve(const struct stub *stub, int fd);

/* stub_fetch(stub, request, target, fresh): a GET answered by the upstream; the copy of a good one is kept. request: as
 * the client sent it; NULL: a plain request for target. False: no good answer; the copy may serve. */
bool stub_fetch(const struct stub *stub, const struct message *request, const char *target, struct message *fresh);

/* stub_copy(stub, target, copy, age_s): the last good answer to that target, whole; false when there is none. */
bool stub_copy(const struct stub *stub, const char *target, struct message *copy, uint64_t *age_s);

#endif
