/* SPDX-License-Identifier: MIT
 * Stream sockets by the text of their address: ADDR:PORT, [V6]:PORT, HOST:PORT, unix:/PATH, unix:@NAME; with deadlines.
 * One thread; looks names up by libc where a HOST is written. */
#ifndef RESCTL_DIAL_H
#define RESCTL_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { DIAL_TEXT = 160 };

/* dial_listen(where, shown, error): a listening descriptor, and how its address is written (port 0: the port that it
 * got; DIAL_TEXT bytes); -1 with *error. The file of a socket that nobody listens at any more is replaced. */
int dial_listen(const char *where, char *shown, const char **error);

/* dial_connect(where, timeout_ns, error): a connected descriptor that does not block; -1 with *error. */
int dial_connect(const char *where, int64_t timeout_ns, const char **error);

/* dial_wait(fd, events, end_ns): true when poll() says so before that time (CLOCK_MONOTONIC). */
bool dial_wait(int fd, short events, uint64_t end_ns);

/* dial_write(fd, bytes, length, end_ns): true when everything was taken. Never raises SIGPIPE. */
bool dial_write(int fd, const void *bytes, size_t length, uint64_t end_ns);

/* dial_read(fd, bytes, size, end_ns): as recv(): > 0, 0 at the end, -1 with errno (ETIMEDOUT past end_ns). */
ssize_t dial_read(int fd, void *bytes, size_t size, uint64_t end_ns);

#endif
