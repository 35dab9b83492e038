/* SPDX-License-Identifier: MIT
 * MSG_FASTOPEN: a send that connects. */
#ifndef RESIL_HOOKS_FASTOPEN_H
#define RESIL_HOOKS_FASTOPEN_H

#include <sys/socket.h>
#include <sys/types.h>

/* The hooks of sendto() and sendmsg() when flags has MSG_FASTOPEN. */
ssize_t fastopen_sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length);
ssize_t fastopen_sendmsg(int fd, const struct msghdr *message, int flags);

/* The same hooks without a look at MSG_FASTOPEN (hooks/output.c). */
ssize_t sendto_plain(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t length);
ssize_t sendmsg_plain(int fd, const struct msghdr *message, int flags);

#endif
