/* SPDX-License-Identifier: MIT
 * Calls that end as few calls do, and arguments that few programs give. One case for each run; what is printed must be
 * the same natively and under the library, except where the test says so. Usage: unwound CASE PORT [NUMBER] */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct sockaddr_in to;
static long number;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static const char *word(long result)
{
    return result >= 0 ? "ok" : strerrorname_np(errno);
}

static int stream(int flags)
{
    return socket(AF_INET, SOCK_STREAM | flags, 0);
}

static int go(int fd)
{
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static int connected(void)
{
    int fd = stream(0);
    if (go(fd) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static struct timeval option(int fd, int name)
{
    struct timeval value = {0};
    socklen_t length = sizeof value;
    getsockopt(fd, SOL_SOCKET, name, &value, &length);
    return value;
}

/* ---- signals and jumps */

static sigjmp_buf out;

static void jump(int signo)
{
    siglongjmp(out, signo);
}

static void nothing(int signo)
{
    (void)signo;
}

static void alarm_in(long us, int flags, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval timer = {.it_value = {us / 1000000, us % 1000000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* A jump out of the very first connect, NUMBER microseconds after it began; then another one. */
static void jump_first(void)
{
    int fd = stream(0);
    if (sigsetjmp(out, 1) == 0) {
        alarm_in(number, 0, jump);
        go(fd);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    printf("%s\n", word(go(stream(0))));
}

/* The same in a thread that then ends: the others connect. The signal is this thread's alone, as long as it can jump.
 */
static void *jumper(void *fd)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (sigsetjmp(out, 1) == 0) {
        alarm_in(number, 0, jump);
        go((int)(long)fd);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return NULL;
}

static void jump_thread(void)
{
    pthread_t thread;
    sigset_t set;
    long fd = stream(0);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, jumper, (void *)fd);
    pthread_join(thread, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    printf("%s\n", word(go(stream(0))));
}

/* A jump out of a connect that hangs; what the application set is what it reads, and what the kernel keeps: seen by how
 * long a send waits that nobody takes. */
static void jump_connect(void)
{
    int fd = stream(0);
    struct timeval own = {7, 0};
    if (number)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    if (sigsetjmp(out, 1) == 0) {
        alarm_in(200000, 0, jump);
        printf("%s\n", word(go(fd)));
    }
    printf("%ld\n", (long)option(fd, SO_SNDTIMEO).tv_sec);
}

static void *connects(void *fd)
{
    go((int)(long)fd);
    return NULL;
}

static void cancel_connect(void)
{
    pthread_t thread;
    long fd = stream(0);
    pthread_create(&thread, NULL, connects, (void *)fd);
    usleep(200000);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    printf("%ld\n", (long)option((int)fd, SO_SNDTIMEO).tv_sec);
}

static void *receives(void *fd)
{
    char byte;
    recv((int)(long)fd, &byte, 1, 0);
    return NULL;
}

static void cancel_recv(void)
{
    pthread_t thread;
    char byte = 0;
    long fd = connected();
    pthread_create(&thread, NULL, receives, (void *)fd);
    usleep(100000);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    printf("%ld %s", (long)option((int)fd, SO_RCVTIMEO).tv_sec, word(send((int)fd, "e", 1, 0)));
    printf(" %zd", recv((int)fd, &byte, 1, 0));
    printf(" %c\n", byte);
}

static void jump_recv(void)
{
    char byte = 0;
    int fd = connected();
    if (sigsetjmp(out, 1) == 0) {
        alarm_in(100000, 0, jump);
        recv(fd, &byte, 1, 0);
    }
    printf("%ld %s", (long)option(fd, SO_RCVTIMEO).tv_sec, word(send(fd, "e", 1, 0)));
    printf(" %zd", recv(fd, &byte, 1, 0));
    printf(" %c\n", byte);
}

/* Stopped and continued while a receive waits: no handler, no EINTR. */
static void stop_and_continue(void)
{
    char byte;
    int fd = connected();
    pid_t child = fork();
    if (child == 0) {
        usleep(100000);
        kill(getppid(), SIGSTOP);
        usleep(50000);
        kill(getppid(), SIGCONT);
        _exit(0);
    }
    send(fd, "p", 1, 0);
    printf("%s\n", word(recv(fd, &byte, 1, 0)));
    waitpid(child, NULL, 0);
}

/* NUMBER: as libpthread had it until 2.34, its own signal for cancellation is caught, without SA_RESTART. */
static void restart(void)
{
    char byte;
    struct {
        void (*handler)(int);
        unsigned long flags, rest[3];
    } older = {.handler = nothing};
    if (number)
        syscall(SYS_rt_sigaction, 32, &older, NULL, 8);
    int fd = connected();
    alarm_in(100000, SA_RESTART, nothing);
    send(fd, "p", 1, 0);
    printf("%s\n", word(recv(fd, &byte, 1, 0)));
}

static void no_restart(void)
{
    char byte;
    int fd = connected();
    alarm_in(100000, 0, nothing);
    send(fd, "s", 1, 0);
    printf("%s\n", word(recv(fd, &byte, 1, 0)));
}

/* ---- retries of loops whose threads were cancelled, or jumped, in a wait on the same set */

static int set;

static void *waits(void *unused)
{
    struct epoll_event event;
    epoll_wait(set, &event, 1, -1);
    return unused;
}

static void collect(int fd)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int error = -1;
    socklen_t length = sizeof error;
    double start = now();
    printf("%s", word(go(fd)));
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    int result = epoll_wait(set, &event, 1, 10000);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    printf(" %d %s %d\n", result, error ? strerrorname_np(error) : "0", (int)((now() - start) * 1000));
}

/* conn_live must not be 0 while they wait: an idle connection to the second port. */
static void keep_one(void)
{
    struct sockaddr_in other = to;
    other.sin_port = htons((uint16_t)number);
    if (number)
        connect(stream(0), (struct sockaddr *)&other, sizeof other);
}

static void cancel_epoll(void)
{
    pthread_t thread;
    keep_one();
    set = epoll_create1(0);
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, waits, NULL);
        usleep(50000);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    collect(stream(SOCK_NONBLOCK));
}

static void jump_epoll(void)
{
    volatile int i = 0;
    struct epoll_event event;
    keep_one();
    set = epoll_create1(0);
    for (; i < 3; i++)
        if (sigsetjmp(out, 1) == 0) {
            alarm_in(30000, 0, jump);
            epoll_wait(set, &event, 1, -1);
        }
    collect(stream(SOCK_NONBLOCK));
}

/* ---- waits that began before there was any connection */

static _Atomic double connect_began;

static void *waits_long(void *unused)
{
    struct epoll_event event;
    int result = epoll_wait(set, &event, 1, 20000);
    printf("%d %x %d\n", result, result > 0 ? event.events : 0, (int)((now() - connect_began) * 1000));
    return unused;
}

static void early_waiter(void)
{
    pthread_t thread;
    struct epoll_event event = {.events = EPOLLOUT};
    int fd = stream(SOCK_NONBLOCK), error;
    socklen_t length = sizeof error;
    set = epoll_create1(0);
    if (number) { /* an earlier connection that is over */
        keep_one();
        closefrom(set + 1);
    }
    pthread_create(&thread, NULL, waits_long, NULL);
    usleep(200000);
    connect_began = now();
    go(fd);
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    pthread_join(thread, NULL);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    printf("%s\n", error ? strerrorname_np(error) : "0");
}

/* ---- sets of select that are larger than FD_SETSIZE */

static void large_select(void)
{
    enum { HIGH = 2000 };
    static unsigned long in[64], out_set[64];
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    int fd = stream(0);
    if (dup2(fd, HIGH) != HIGH)
        perror("dup2");
    close(fd);
    if (go(HIGH) != 0)
        perror("connect");
    send(HIGH, number ? "e" : "s", 1, 0);
    in[HIGH / 64] = 1ul << (HIGH % 64);
    in[63] = out_set[63] = 0;
    struct timeval limit_of_wait = {5, 0};
    double start = now();
    int result = select(HIGH + 1, (fd_set *)in, NULL, NULL, &limit_of_wait);
    char byte = 0;
    printf("%d %d", result, in[HIGH / 64] != 0);
    printf(" %s", word(recv(HIGH, &byte, 1, MSG_DONTWAIT)));
    printf(" %d\n", (int)((now() - start) * 1000));
}

static void large_select_connect(void)
{
    enum { HIGH = 2000 };
    static unsigned long out_set[64];
    struct rlimit limit = {4096, 4096};
    int error = -1;
    socklen_t length = sizeof error;
    setrlimit(RLIMIT_NOFILE, &limit);
    int fd = stream(SOCK_NONBLOCK);
    dup2(fd, HIGH);
    close(fd);
    go(HIGH);
    out_set[HIGH / 64] = 1ul << (HIGH % 64);
    struct timeval limit_of_wait = {5, 0};
    double start = now(), used = cpu();
    int result = select(HIGH + 1, NULL, (fd_set *)out_set, NULL, &limit_of_wait);
    int took = (int)((now() - start) * 1000);
    getsockopt(HIGH, SOL_SOCKET, SO_ERROR, &error, &length);
    printf("%d %s %d %d\n", result, error ? strerrorname_np(error) : "0", took, (int)((cpu() - used) * 1e6));
}

/* The kernel looks at no more of a set than the process has descriptors: what lies behind is not the call's. */
static void tight_select(void)
{
    fd_set *in = malloc(2 * sizeof *in);
    struct timeval limit_of_wait = {0, 900000};
    int fd = connected();
    memset(in, 0, sizeof *in);
    memset(in + 1, 0x5a, sizeof *in);
    FD_SET(fd, in);
    printf("%d", select(2048, in, NULL, NULL, &limit_of_wait));
    for (size_t i = 0; i < sizeof *in; i++)
        if (((unsigned char *)(in + 1))[i] != 0x5a)
            printf(" changed");
    printf(" %d\n", FD_ISSET(fd, in) != 0);
}

/* ---- many first calls at once */

static pthread_barrier_t gate;
static int succeeded;

static void *first_call(void *unused)
{
    int fd = stream(0);
    pthread_barrier_wait(&gate);
    if (go(fd) == 0)
        __atomic_fetch_add(&succeeded, 1, __ATOMIC_RELAXED);
    return unused;
}

static void first_calls(void)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    pthread_barrier_init(&gate, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, first_call, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", succeeded);
}

/* ---- options and protocols */

static void low_water(void)
{
    char data[10];
    int fd = connected(), ten = 10;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &ten, sizeof ten);
    send(fd, "t", 1, 0); /* two halves, 1.2 s apart */
    printf("%zd\n", number ? read(fd, data, sizeof data) : recv(fd, data, sizeof data, 0));
}

static void wait_all(void)
{
    char data[10];
    int fd = connected();
    send(fd, "t", 1, 0);
    struct iovec iov = {data, sizeof data};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    printf("%zd\n", number ? recvmsg(fd, &message, MSG_WAITALL) : recv(fd, data, sizeof data, MSG_WAITALL));
}

static void mptcp(void)
{
    char byte = 0;
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    if (fd < 0) {
        printf("none\n");
        return;
    }
    double start = now();
    printf("%s", word(go(fd)));
    printf(" %s", word(send(fd, number ? "e" : "s", 1, 0)));
    printf(" %s", word(recv(fd, &byte, 1, 0)));
    printf(" %d\n", (int)((now() - start) * 1000));
}

/* ---- what a wait costs */

static void cost(const char *how)
{
    int fd = stream(SOCK_NONBLOCK), error = -1, result = 0;
    socklen_t length = sizeof error;
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    struct timeval limit = {10, 0};
    struct epoll_event event = {.events = EPOLLOUT};
    fd_set out_set;
    FD_ZERO(&out_set);
    FD_SET(fd, &out_set);
    go(fd); /* attaches: not part of the wait */
    int ep = epoll_create1(0);
    double start = now(), used = cpu();
    if (strcmp(how, "poll") == 0) {
        result = poll(&one, 1, 10000);
    } else if (strcmp(how, "select") == 0) {
        result = select(fd + 1, NULL, &out_set, NULL, &limit);
    } else {
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
        result = epoll_wait(ep, &event, 1, 10000);
    }
    used = cpu() - used;
    start = now() - start;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    printf("%d %s %d %d\n", result, error ? strerrorname_np(error) : "0", (int)(start * 1000), (int)(used * 1e6));
}

static void cost_poll(void)
{
    cost("poll");
}

static void cost_select(void)
{
    cost("select");
}

static void cost_epoll(void)
{
    cost("epoll");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"jump_first", jump_first},     {"jump_thread", jump_thread},
                 {"jump_connect", jump_connect}, {"cancel_connect", cancel_connect},
                 {"cancel_recv", cancel_recv},   {"jump_recv", jump_recv},
                 {"stop", stop_and_continue},    {"restart", restart},
                 {"no_restart", no_restart},     {"cancel_epoll", cancel_epoll},
                 {"jump_epoll", jump_epoll},     {"early_waiter", early_waiter},
                 {"large_select", large_select}, {"large_select_connect", large_select_connect},
                 {"tight_select", tight_select}, {"low_water", low_water},
                 {"wait_all", wait_all},         {"mptcp", mptcp},
                 {"first_calls", first_calls},   {"poll", cost_poll},
                 {"select", cost_select},        {"epoll", cost_epoll}};
    if (argc < 3)
        return 2;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    number = argc > 3 ? atol(argv[3]) : 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
