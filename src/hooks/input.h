/* SPDX-License-Identifier: MIT
 * What the receives of syscall() share with those of libc. */
#ifndef RESIL_HOOKS_INPUT_H
#define RESIL_HOOKS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Whether a vector asks for any byte. The kernel has accepted it. */
bool input_wants_bytes(const struct iovec *iov, size_t count);

/* recvmmsg() and, wide, __recvmmsg64(): the timeout is the kernel's to read and to write. */
int input_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout, bool wide);

#endif
