/* SPDX-License-Identifier: MIT
 * epoll for descriptors, a sorted list for timers, a descriptor for signals. */
#include "loop.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- signals --------------------------------------------------------------------------------------- */

static void read_signals(void *data, uint32_t events)
{
    struct loop *loop = data;
    struct signalfd_siginfo info;
    (void)events;
    while (read(loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->on_signal(loop->data, (int)info.ssi_signo);
}

/* ---- timers --------------------------------------------------------------------------------------- */

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->armed)
        return;
    if (timer->previous)
        timer->previous->next = timer->next;
    else
        loop->first_timer = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
    timer->armed = false;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
    struct loop_timer *before = NULL, *after;
    loop_disarm(loop, timer);
    for (after = loop->first_timer; after && after->at_ns <= at_ns; after = after->next)
        before = after;
    timer->at_ns = at_ns;
    timer->armed = true;
    timer->previous = before;
    timer->next = after;
    if (before)
        before->next = timer;
    else
        loop->first_timer = timer;
    if (after)
        after->previous = timer;
}

/* Those that are due now; one that a callback arms for the same moment has its turn in the next round. */
static void fire_timers(struct loop *loop)
{
    uint64_t now_ns = clock_now_ns();
    while (loop->first_timer && loop->first_timer->at_ns < now_ns && !loop->stopped) {
        struct loop_timer *timer = loop->first_timer;
        loop_disarm(loop, timer);
        timer->fire(timer->data);
    }
}

/* Rounded up: a timer never fires early, and the loop does not spin before it. */
static int wait_ms(const struct loop *loop)
{
    uint64_t now_ns = clock_now_ns();
    if (!loop->first_timer)
        return -1;
    if (loop->first_timer->at_ns < now_ns)
        return 0;
    uint64_t ms = (loop->first_timer->at_ns - now_ns) / (uint64_t)NS_PER_MS + 1;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* ---- descriptors ---------------------------------------------------------------------------------- */

bool loop_watch(struct loop *loop, struct loop_io *io, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) == 0 ||
           (errno == ENOENT && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, io->fd, &event) == 0);
}

void loop_forget(struct loop *loop, struct loop_io *io)
{
    if (io->fd < 0)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    for (int i = loop->batch_at; i < loop->batch_used; i++)
        if (loop->batch[i].data.ptr == io)
            loop->batch[i].data.ptr = NULL;
    io->fd = -1;
}

static void serve_batch(struct loop *loop)
{
    for (loop->batch_at = 0; loop->batch_at < loop->batch_used && !loop->stopped;) {
        struct epoll_event *event = &loop->batch[loop->batch_at++];
        struct loop_io *io = event->data.ptr;
        if (io)
            io->ready(io->data, event->events);
    }
    loop->batch_used = loop->batch_at = 0;
}

bool loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        int used = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait_ms(loop));
        if (used < 0 && errno != EINTR)
            return false;
        loop->batch_used = used > 0 ? used : 0;
        serve_batch(loop);
        fire_timers(loop);
    }
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

bool loop_open(struct loop *loop, void (*on_signal)(void *data, int number), void *data)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;
    *loop = (struct loop){.on_signal = on_signal, .data = data};
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&mask, numbers[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* who started us may have ignored it: then there would be no status */
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return false;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->signals = (struct loop_io){.fd = loop->signal_fd, .ready = read_signals, .data = loop};
    return loop->epoll_fd >= 0 && loop->signal_fd >= 0 && loop_watch(loop, &loop->signals, EPOLLIN);
}

void loop_close(struct loop *loop)
{
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
}
