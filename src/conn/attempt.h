/* SPDX-License-Identifier: MIT
 * One connect call: which destination, may it go, and what came of it. */
#ifndef RESIL_CONN_ATTEMPT_H
#define RESIL_CONN_ATTEMPT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* attempt_connect(fd, addr, length): connect() as the application sees it. Returns 0 or -1 with errno. */
int attempt_connect(int fd, const struct sockaddr *addr, socklen_t length);

/* attempt_fastopen(fd, addr, length, flags, conn): a send with MSG_FASTOPEN to addr, before it is made.
 *   FOREIGN    not ours: no destination, or the socket has begun to connect already
 *   CONNECTED  connected by us: send without the flag and the address
 *   FAILED     -1 with errno, as connect() would (EINPROGRESS included)
 *   TRACKED    nothing is to be changed (mode = observe): make the call, tell attempt_fastopened() its result */
enum fastopen { FASTOPEN_FOREIGN, FASTOPEN_CONNECTED, FASTOPEN_FAILED, FASTOPEN_TRACKED };
struct conn;
enum fastopen attempt_fastopen(int fd, const struct sockaddr *addr, socklen_t length, int flags, struct conn **conn);
/* Returns result; errno as it is. */
ssize_t attempt_fastopened(struct conn *conn, int fd, ssize_t result);

/* attempt_defers(): this process uses TCP_FASTOPEN_CONNECT from now on: a connect() may answer before it is made. */
void attempt_defers(void);

#endif
