/* SPDX-License-Identifier: MIT
 * server BOARD SEED: a backend that prints its port, answers each hello with a byte, and misbehaves: some answers come
 * late, some never (it closes instead), and now and then nobody listens for some milliseconds. Until end of its input;
 * then it prints what it saw.
 *
 * It counts what is really open. A connection counts while the kernel says ESTABLISHED (not when we get round to
 * reading its end of file) in two looks one after the other: what was open in both was open at the instant between
 * them. Those of a worker that is being killed do not count, nor those that have not said yet whose they are. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>

#include "board.h"

enum { FDS = 4096, LISTEN_TAG = -1, INPUT_TAG = -2 };

struct peer {
    bool open, known, seen;
    struct hello hello;
    uint64_t answer_ns; /* when a late answer is due, 0 = none */
};

static struct board *board;
static struct peer peers[FDS];
static int listener = -1, poller, highest;
static struct sockaddr_in address = {.sin_family = AF_INET};
static uint64_t random_state, toggle_ns;
static uint64_t accepted, outages, most, excess;

static void watch(int fd, int tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = tag};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static bool listen_again(void)
{
    const int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) {
        close(listener);
        listener = -1;
        return false;
    }
    watch(listener, LISTEN_TAG);
    return true;
}

static void toggle(void)
{
    uint64_t now_ns = board_now_ns();
    if (now_ns < toggle_ns)
        return;
    if (listener < 0) {
        if (listen_again())
            toggle_ns = now_ns + (30 + board_below(&random_state, 100)) * 1000000ull;
        return;
    }
    if (atomic_load(&board->steady))
        return;
    close(listener);
    listener = -1;
    outages++;
    toggle_ns = now_ns + (5 + board_below(&random_state, 30)) * 1000000ull;
}

static void forget(int fd)
{
    peers[fd].open = false;
    close(fd);
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FDS)
            exit(4);
        peers[fd] = (struct peer){.open = true};
        highest = fd > highest ? fd : highest;
        accepted++;
        watch(fd, fd);
    }
}

static void answer(int fd)
{
    struct hello hello;
    ssize_t got = recv(fd, &hello, sizeof hello, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got != (ssize_t)sizeof hello) {
        forget(fd);
        return;
    }
    peers[fd].known = true;
    peers[fd].hello = hello;
    uint32_t mood = atomic_load(&board->steady) ? 99 : board_below(&random_state, 100);
    if (mood < 3)
        forget(fd);
    else if (mood < 10)
        peers[fd].answer_ns = board_now_ns() + board_below(&random_state, 4000) * 1000ull;
    else
        send(fd, "x", 1, MSG_NOSIGNAL);
}

static void answer_late(void)
{
    uint64_t now_ns = board_now_ns();
    for (int fd = 0; fd <= highest; fd++)
        if (peers[fd].open && peers[fd].answer_ns && now_ns >= peers[fd].answer_ns) {
            peers[fd].answer_ns = 0;
            send(fd, "x", 1, MSG_NOSIGNAL);
        }
}

static bool established(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}

static bool living(const struct peer *peer)
{
    return !board_doomed(atomic_load(&board->held), peer->hello.process) &&
           atomic_load(&board->incarnation[peer->hello.process]) == peer->hello.incarnation;
}

static uint64_t count_open(void)
{
    uint64_t count = 0;
    for (int fd = 0; fd <= highest; fd++) {
        struct peer *peer = &peers[fd];
        peer->seen = peer->open && peer->known && living(peer) && established(fd);
    }
    for (int fd = 0; fd <= highest; fd++) {
        struct peer *peer = &peers[fd];
        count += peer->seen && established(fd) && living(peer);
    }
    return count;
}

static void check(void)
{
    uint64_t count = count_open();
    most = count > most ? count : most;
    excess += count > atomic_load(&board->limit);
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    socklen_t length = sizeof address;
    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    board = board_open(argv[1]);
    random_state = strtoull(argv[2], NULL, 10);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(STDIN_FILENO, INPUT_TAG);
    if (!listen_again() || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 4;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    toggle_ns = board_now_ns() + 500000000u;
    for (bool running = true; running;) {
        int ready = epoll_wait(poller, events, 64, 1);
        for (int i = 0; i < ready; i++) {
            int tag = events[i].data.fd;
            if (tag == INPUT_TAG)
                running = false;
            else if (tag == LISTEN_TAG && listener >= 0)
                accept_all();
            else if (tag >= 0 && peers[tag].open)
                answer(tag);
        }
        check();
        answer_late();
        toggle();
    }
    printf("{\"accepted\": %llu, \"outages\": %llu, \"most\": %llu, \"excess\": %llu}\n", (unsigned long long)accepted,
           (unsigned long long)outages, (unsigned long long)most, (unsigned long long)excess);
    return 0;
}
