/* SPDX-License-Identifier: MIT
 * What a call costs through the library and without it: libc's own functions and those that the program was linked to
 * take turns, block by block, in one process. Without LD_PRELOAD both are the same: that is the control.
 *
 *   pairs CASE BLOCKS CALLS [OPEN [ARMED]]   a line for each block: ns per call of libc's, of the program's functions
 *   pairs CASE 0 CALLS                       the program's functions only, in silence: for tools that count
 *
 * OPEN connections stand open meanwhile; ARMED of them wait for an answer that never comes. An exchange is answered by
 * the same thread, so that no switch between threads hides the difference. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)  ((condition) ? (void)0 : (perror(#condition), exit(1)))
#define FOR_EACH_FUNCTION X(read) X(write) X(poll) X(epoll_wait) X(connect) X(send) X(recv) X(close)
#define FOR_EACH_CASE     X(read) X(write) X(poll) X(epoll_wait) X(exchange) X(connect) X(refuse)

static struct side {
#define X(name) __typeof__(name) *name;
    FOR_EACH_FUNCTION
#undef X
    int client, server, refusal;
} libc, program;

enum { BYTES = 64, TRIPS = 20 };
static struct sockaddr_in home;
static int listener, null, watched, epoll;
static char bytes[BYTES];

static void load(struct side *side, void *where)
{
#define X(name) CHECK((*(void **)&side->name = dlsym(where, #name)) != NULL);
    FOR_EACH_FUNCTION
#undef X
}

static int bound_socket(void)
{
    socklen_t length = sizeof home;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    home = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (struct sockaddr *)&home, length) == 0 && getsockname(fd, (struct sockaddr *)&home, &length) == 0);
    return fd;
}

static int dial(const struct side *side)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(side->connect(fd, (struct sockaddr *)&home, sizeof home) == 0);
    return fd;
}

/* Closed hard, so that no TIME_WAIT stays behind: thousands would use up the ports. */
static int answer(void)
{
    int fd = accept(listener, NULL, NULL);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)) == 0);
    return fd;
}

/* Their peer is a process of its own: each end has its own limit of descriptors. Returns one of them. */
static int stand_open(long count, long armed)
{
    int fd = -1;
    if (fork() == 0)
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
            answer();
    for (long i = 0; i < count; i++) {
        fd = dial(&program);
        CHECK(i >= armed || program.send(fd, bytes, 1, 0) == 1);
    }
    return fd;
}

static void prepare(struct side *side, const char *name)
{
    if (strcmp(name, "exchange") == 0) {
        side->client = dial(side);
        side->server = answer();
    } else if (strcmp(name, "refuse") == 0) {
        side->client = socket(AF_INET, SOCK_STREAM, 0);
        for (int i = 0; i < TRIPS; i++)
            CHECK(side->connect(side->client, (struct sockaddr *)&home, sizeof home) != 0);
        side->refusal = errno;
    }
}

#define STEP(name, ...)                                                                                                \
    static void step_##name(const struct side *s)                                                                      \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
STEP(read, s->read(null, bytes, 1);)
STEP(write, CHECK(s->write(null, bytes, 1) == 1);)
STEP(poll, CHECK(s->poll(&(struct pollfd){.fd = watched, .events = POLLIN}, 1, 0) == 0);)
STEP(epoll_wait, CHECK(s->epoll_wait(epoll, &(struct epoll_event){0}, 1, 0) == 0);)
STEP(exchange, CHECK(s->send(s->client, bytes, BYTES, 0) == BYTES && libc.read(s->server, bytes, BYTES) == BYTES);
     CHECK(libc.write(s->server, bytes, BYTES) == BYTES && s->recv(s->client, bytes, BYTES, 0) == BYTES);)
STEP(connect, int fd = dial(s); libc.close(answer()); s->close(fd);)
STEP(refuse, CHECK(s->connect(s->client, (struct sockaddr *)&home, sizeof home) != 0 && errno == s->refusal);)

static double block(void (*step)(const struct side *), const struct side *side, long calls)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long call = 0; call < calls; call++)
        step(side);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / (double)calls;
}

int main(int argc, char **argv)
{
    void (*step)(const struct side *) = NULL;
#define X(name) step = argc >= 4 && strcmp(argv[1], #name) == 0 ? step_##name : step;
    FOR_EACH_CASE
#undef X
    long open_count = argc > 4 ? atol(argv[4]) : 0;
    CHECK(step != NULL);
    load(&libc, dlopen("libc.so.6", RTLD_LAZY));
    load(&program, RTLD_DEFAULT);
    null = open("/dev/null", O_RDWR);
    listener = bound_socket();
    CHECK(strcmp(argv[1], "refuse") == 0 || listen(listener, SOMAXCONN) == 0);
    watched = open_count ? stand_open(open_count, argc > 5 ? atol(argv[5]) : 0) : eventfd(0, 0);
    epoll = epoll_create1(0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, watched, &(struct epoll_event){.events = EPOLLIN}) == 0);
    if (open_count)
        CHECK(listen(listener = bound_socket(), SOMAXCONN) == 0);
    prepare(&libc, argv[1]);
    prepare(&program, argv[1]);
    block(step, &program, atol(argv[2]) ? 1 : atol(argv[3]));
    for (long i = 2 * atol(argv[2]); i > 0; i--)
        printf("%.2f%c", block(step, i % 2 ? &program : &libc, atol(argv[3])), i % 2 ? '\n' : ' ');
    closefrom(3); /* what stood open is given back */
    return 0;
}
