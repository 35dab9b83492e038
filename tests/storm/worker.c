/* SPDX-License-Identifier: MIT
 * worker BOARD MODE HOST PORT PROCESS INCARNATION SEED: connects, exchanges and closes until it is killed.
 * MODE threads: in four threads. MODE fork: in one, and in children that inherit its connection, exec or exit.
 * MODE once: one turn, as thread 1 (what a child execs). MODE grab: opens board.limit connections at once, and says how
 * many it got, trying again while it is refused for another reason than the number of connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "board.h"

static struct board *board;
static struct sockaddr_in server = {.sin_family = AF_INET};
static struct hello self;
static char **arguments;
static uint64_t seed;
static pthread_barrier_t attached;

static int connect_once(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof server) == 0)
        return fd;
    close(fd);
    return -1;
}

static void take(uint64_t bit)
{
    uint64_t held = atomic_fetch_or(&board->held, bit) | bit;
    uint32_t count = board_count(held);
    uint64_t none = 0, most = atomic_load(&board->most);
    while (count > most && !atomic_compare_exchange_weak(&board->most, &most, count))
        ;
    if (count > atomic_load(&board->limit))
        atomic_compare_exchange_strong(&board->excess, &none, held);
}

/* The ways in which programs close. */
static void let_go(int fd, uint64_t bit, uint64_t *random)
{
    int copy;
    switch (board_below(random, 6)) {
    case 0:
        copy = dup(fd);
        close(fd);
        fd = copy;
        break;
    case 1:
        shutdown(fd, SHUT_RDWR);
        break;
    case 2:
        copy = socket(AF_INET, SOCK_STREAM, 0);
        atomic_fetch_and(&board->held, ~bit);
        dup2(copy, fd);
        close(copy);
        close(fd);
        return;
    case 3:
        atomic_fetch_and(&board->held, ~bit);
        fclose(fdopen(fd, "r+"));
        return;
    case 4:
        atomic_fetch_and(&board->held, ~bit);
        close_range((unsigned)fd, (unsigned)fd, 0);
        return;
    default:
        break;
    }
    atomic_fetch_and(&board->held, ~bit);
    close(fd);
}

static bool exchange(int fd, const struct hello *hello)
{
    char answer;
    bool good = send(fd, hello, sizeof *hello, MSG_NOSIGNAL) == (ssize_t)sizeof *hello && recv(fd, &answer, 1, 0) == 1;
    if (!good)
        atomic_fetch_add(&board->broken, 1);
    return good;
}

/* An open connection that answered, marked on the board; or -1. */
static int begin_turn(const struct hello *hello, uint64_t bit, uint64_t *random)
{
    int fd = connect_once();
    if (fd < 0) {
        atomic_fetch_add(&board->refused, 1);
        board_nap_us(board_below(random, 1500));
        return -1;
    }
    take(bit);
    atomic_fetch_add(&board->connects, 1);
    for (uint32_t left = board_below(random, 4); exchange(fd, hello) && left > 0; left--)
        if (board_below(random, 2))
            board_nap_us(board_below(random, 1500));
    return fd;
}

static uint64_t bit_of(const struct hello *hello)
{
    return 1ull << (hello->process * BOARD_THREADS + hello->thread);
}

static void *run_thread(void *number)
{
    struct hello hello = self;
    hello.thread = (uint32_t)(uintptr_t)number;
    uint64_t random = seed + hello.thread;
    bool first = hello.thread == 0;
    if (!first)
        pthread_barrier_wait(&attached);
    for (;;) {
        int fd = begin_turn(&hello, bit_of(&hello), &random);
        if (first)
            pthread_barrier_wait(&attached);
        first = false;
        if (fd >= 0)
            let_go(fd, bit_of(&hello), &random);
    }
    return NULL;
}

static void one_turn(uint64_t *random)
{
    struct hello hello = self;
    hello.thread = 1;
    int fd = begin_turn(&hello, bit_of(&hello), random);
    if (fd >= 0)
        let_go(fd, bit_of(&hello), random);
    atomic_fetch_add(&board->children, 1);
}

/* A child with an inherited connection. */
static void live_as_child(int inherited, uint64_t *random)
{
    uint32_t kind = board_below(random, 5);
    if (kind == 0)
        _exit(0);
    if (kind == 1)
        exchange(inherited, &self); /* on behalf of the parent, which waits */
    if (kind == 2)
        close(inherited);
    if (kind == 3) {
        arguments[2] = (char *)(uintptr_t) "once";
        execv(arguments[0], arguments);
        _exit(4);
    }
    one_turn(random);
    if (board_below(random, 2))
        exit(0);
    kill(getpid(), SIGKILL);
}

static void run_forks(void)
{
    struct hello hello = self;
    uint64_t random = seed;
    for (;;) {
        int fd = begin_turn(&hello, bit_of(&hello), &random);
        if (fd < 0)
            continue;
        pid_t child = fork();
        if (child == 0)
            live_as_child(fd, &random);
        board_random(&random);
        if (child > 0)
            waitpid(child, NULL, 0);
        /* A child that was killed between its two steps on the board is no longer there. */
        struct hello other = hello;
        other.thread = 1;
        atomic_fetch_and(&board->held, ~bit_of(&other));
        let_go(fd, bit_of(&hello), &random);
    }
}

/* All slots at once, by a process that was never there before. */
static int grab(void)
{
    uint32_t limit = atomic_load(&board->limit), got = 0;
    uint64_t end_ns = board_now_ns() + 5000000000u;
    while (got < limit && board_now_ns() < end_ns) {
        int fd = connect_once();
        if (fd >= 0 && exchange(fd, &self)) { /* a probe is done when it was answered */
            got++;
            continue;
        }
        if (fd >= 0)
            close(fd);
        board_nap_us(2000);
    }
    int more = connect_once();
    printf("%u %s\n", got, more < 0 ? "full" : "more");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    arguments = argv;
    board = board_open(argv[1]);
    inet_pton(AF_INET, argv[3], &server.sin_addr);
    server.sin_port = htons((uint16_t)atoi(argv[4]));
    self = (struct hello){.process = (uint32_t)atoi(argv[5]), .incarnation = (uint32_t)atoi(argv[6])};
    seed = strtoull(argv[7], NULL, 10);
    if (strcmp(argv[2], "grab") == 0)
        return grab();
    if (strcmp(argv[2], "once") == 0) {
        one_turn(&seed);
        return 0;
    }
    if (strcmp(argv[2], "fork") == 0)
        run_forks();
    pthread_t thread;
    pthread_barrier_init(&attached, NULL, BOARD_THREADS);
    for (uintptr_t i = 1; i < BOARD_THREADS; i++)
        if (pthread_create(&thread, NULL, run_thread, (void *)i) != 0)
            return 4;
    run_thread(NULL);
}
