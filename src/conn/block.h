/* SPDX-License-Identifier: MIT
 * Timeouts of blocking calls, by the kernel's own SO_SNDTIMEO (connect) and SO_RCVTIMEO (receive).
 *
 * Why options and not poll(): no extra system call, no race with other readers, and reads inside libc (stdio) are
 * bounded as well. Their expiry is no verdict: the connection's deadline is asked, and when it has not passed the
 * call goes on. What the application set itself keeps its meaning and reads back as it was set.
 */
#ifndef RESIL_CONN_BLOCK_H
#define RESIL_CONN_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conn/conn.h"

/* block_connect(conn, fd, addr, length, limit_ns): a blocking connect that ends after limit_ns (0 = no limit) with
 * ETIMEDOUT, or by itself. SO_SNDTIMEO is as before when it returns. Returns 0 or -1 with errno as connect(); EINTR
 * only where the application would have seen it natively. */
int block_connect(struct conn *conn, int fd, const struct sockaddr *addr, socklen_t length, int64_t limit_ns);

/* block_expire(conn, fd): ends an attempt whose time is up: -1 with ETIMEDOUT. */
int block_expire(struct conn *conn, int fd);

/* block_mend(conn, fd): after a connect that was left by a jump or a cancellation: SO_SNDTIMEO is the application's
 * again. Before whatever it bounds, shows or sets. */
void block_mend_now(struct conn *conn, int fd);
static inline void block_mend(struct conn *conn, int fd)
{
    if (__builtin_expect(atomic_load_explicit(&conn->send_limited, memory_order_relaxed) != 0, 0))
        block_mend_now(conn, fd);
}

/* block_low_water(): the program sets SO_RCVLOWAT somewhere. Receives below that mark are not bounded: our option would
 * make them return with less. */
void block_low_water(void);

/* block_install(conn, fd): before a connection is used in blocking mode: SO_RCVTIMEO. */
void block_install(struct conn *conn, int fd);

/* block_lend(conn, fd): a program without the library will have the socket: the application's own SO_RCVTIMEO stands
 * from now on, and ours only during each receive of this process, and of those that share the socket with it (they are
 * told by the slot's entry). block_take_back(conn, fd): it will not after all; nothing when it was not us who lent it.
 * A process that is killed in between leaves the socket lent: the receives are bounded all the same. */
void block_lend(struct conn *conn, int fd);
void block_take_back(struct conn *conn, int fd);

/* 1 once any connection of this process had our option: only then is there anything to lend. */
extern _Atomic uint32_t block_used;

/* block_mode(conn, fd, blocking): the application changed O_NONBLOCK. */
void block_mode(struct conn *conn, int fd, bool blocking);

struct block_read {
    uint64_t start_ns; /* 0: not measured */
    int64_t limit_ns;  /* SO_RCVTIMEO as it stood during the call */
    bool shortened;    /* it was set for this call only */
    bool bounded;      /* this call may return EAGAIN because of our option */
};

/* block_read_begin(conn, fd, dontwait, state): before a receive. */
void block_read_begin(struct conn *conn, int fd, bool dontwait, struct block_read *state);

/* block_read_again(conn, fd, error, state): after a receive that failed with error (EAGAIN or EINTR): true when the
 * call must be made again. When the deadline passed, the connection is expired and false is returned. */
bool block_read_again(struct conn *conn, int fd, int error, struct block_read *state);

/* block_read_unbounded(conn, fd, state): after begin, for a call that could not be completed if the option cut it
 * short. */
void block_read_unbounded(struct conn *conn, int fd, struct block_read *state);

/* block_cut_short(state): whether a call that returned less than it was asked for lasted as long as our option allows:
 * then it may have been the option. */
bool block_cut_short(const struct block_read *state);

/* block_read_end(conn, fd, state): after the last try. */
void block_read_end(struct conn *conn, int fd, const struct block_read *state);

/* The application reads or sets SO_RCVTIMEO (after the real call succeeded). */
void block_app_timeout(struct conn *conn, int fd);

#endif
