/* SPDX-License-Identifier: MIT
 * The agent's one loop: descriptors, timers, signals. No thread, nothing blocks. Children are descriptors, too
 * (child_watch()).
 *
 * Owns the epoll descriptor and the signal descriptor. What is watched belongs to the caller, who embeds struct
 * loop_io or loop_timer in what it is about; the loop holds pointers to it until it is taken out again, and
 * never calls it afterwards: a callback may take out, and free, anything, itself too. Callbacks run one after the
 * other and must not wait. Not for two threads; not signal safe; allocates nothing.
 */
#ifndef RESCTL_AGENT_LOOP_H
#define RESCTL_AGENT_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/* A descriptor. ready() is told which of EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP ... hold (level-triggered). */
struct loop_io {
    int fd;
    void (*ready)(void *data, uint32_t events);
    void *data;
};

/* A moment on the clock of clock_now_ns(); fires once. */
struct loop_timer {
    void (*fire)(void *data);
    void *data;
    uint64_t at_ns;
    bool armed;
    struct loop_timer *next, *previous; /* the loop's */
};

enum { LOOP_BATCH = 64 };

struct loop {
    int epoll_fd, signal_fd;
    struct loop_io signals;
    struct loop_timer *first_timer;       /* in the order of their moments */
    struct epoll_event batch[LOOP_BATCH]; /* what the last wait brought, so that what is taken out is not called */
    int batch_used, batch_at;
    void (*on_signal)(void *data, int number);
    void *data;
    bool stopped;
};

/* loop_open(loop, on_signal, data): blocks SIGTERM, SIGINT and SIGHUP, which come to on_signal(), ignores SIGPIPE, and
 * sees to it that children can be waited for. False with errno. */
bool loop_open(struct loop *loop, void (*on_signal)(void *data, int number), void *data);
void loop_close(struct loop *loop);

/* loop_run(loop): until loop_stop(). False with errno when the kernel refuses to wait. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* loop_watch(loop, io, events): begins to watch io->fd, or changes for what. False with errno.
 * loop_forget(loop, io): before its fd is closed. io->fd becomes -1; harmless when it is that already. */
bool loop_watch(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_forget(struct loop *loop, struct loop_io *io);

/* loop_arm(loop, timer, at_ns): sets it, or sets it anew. loop_disarm(): harmless when it is not set. */
void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t at_ns);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

#endif
