/* SPDX-License-Identifier: MIT
 * Questions to the kernel about one socket, and what we make it do. Raw system calls: any thread, signal safe, no
 * errno, no cancellation point. */
#ifndef RESIL_CONN_KERNEL_H
#define RESIL_CONN_KERNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum kernel_state { KERNEL_CONNECTING, KERNEL_CONNECTED, KERNEL_CLOSED };

uint64_t kernel_cookie(int fd);              /* SO_COOKIE, 0 when fd is no socket */
bool kernel_may_be(int fd, uint64_t cookie); /* false: it is no socket any more, or another one; true in doubt */
enum kernel_state kernel_connection(int fd); /* consumes no error */
bool kernel_has_bytes(int fd);               /* unread ones */
/* kernel_received(fd, seen): whether bytes (or the end) arrived beyond *seen, which is then set to all that arrived. */
bool kernel_received(int fd, _Atomic uint64_t *seen);
/* kernel_sending(fd, acked, earlier): whether bytes of ours are on their way, or were at the last look, and some
 * arrived since then. *acked: what had arrived at the last look, 0 when there was none: then those count that came
 * behind the `earlier` ones. */
bool kernel_sending(int fd, _Atomic uint64_t *acked, uint64_t earlier);
/* kernel_count(fd, bytes): the bytes that a TCP socket was given to send and those that arrived, its end excluded where
 * it is known to have come. False for other sockets and kernels before 4.19. */
struct kernel_bytes {
    uint64_t out, in;
    bool maybe_end;      /* `in` may hold the peer's end as one byte */
    uint64_t unasked_ns; /* since the last byte was sent, in the kernel's ticks of up to 10 ms */
};
bool kernel_count(int fd, struct kernel_bytes *bytes);
uint64_t kernel_unread(int fd); /* bytes that arrived and were not read */
int kernel_take_error(int fd);  /* SO_ERROR, clearing it */
void kernel_cancel(int fd);     /* shutdown both ways */
void kernel_disconnect(int fd); /* connect(AF_UNSPEC): ends a connect, keeps fd and registrations */
void kernel_reset(int fd);      /* RST to the peer; fd stays valid */
bool kernel_nonblocking(int fd);

/* SO_RCVTIMEO and SO_SNDTIMEO in ns; 0 = none. */
int64_t kernel_get_timeout(int fd, int option);
void kernel_set_timeout(int fd, int option, int64_t ns);

/* kernel_limit_writes(fd, ns): TCP_USER_TIMEOUT, unless the application set one. True when it was set. */
bool kernel_limit_writes(int fd, int64_t ns);

/* Whether `bytes` (at least 8) at addr can be read, without touching them ourselves. */
bool kernel_readable(const void *addr, unsigned bytes);
/* Whether they can be written; what stood there is lost. */
bool kernel_writable(void *addr, unsigned bytes);
/* Whether an int of the caller's can be written, by the kernel's own writing of one of the socket fd; it stays as it
 * is. */
bool kernel_int_writable(int fd, void *addr);

/* Whether every signal that this process catches restarts system calls (SA_RESTART): an interrupted call of ours would
 * then have been resumed without the library. */
bool kernel_signals_restart(void);

#endif
