/* SPDX-License-Identifier: MIT
 * One connect call: which destination, may it go, and what came of it. */
#ifndef RESIL_CONN_ATTEMPT_H
#define RESIL_CONN_ATTEMPT_H

#include <sys/socket.h>

/* attempt_connect(fd, addr, length): connect() as the application sees it. Returns 0 or -1 with errno. */
int attempt_connect(int fd, const struct sockaddr *addr, socklen_t length);

#endif
