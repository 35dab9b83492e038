/* SPDX-License-Identifier: MIT
 * A program that, once started, allows itself only the system calls that it makes natively (its kind of wait among
 * them) and those that the README lists for the library; every other one kills it. Usage: sandboxed PORT TIMES HOW
 * first|later [ours...]
 *
 *   first   it connects once before it locks itself up; later: its first connect comes after
 *   ours    numbers of the system calls that the library may make */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct sockaddr_in to;
static int set;

static int wait_for(int fd, const char *how, int events)
{
    struct pollfd one = {.fd = fd, .events = (short)events};
    struct epoll_event event = {.events = (uint32_t)events};
    struct timeval limit = {5, 0};
    fd_set bits;
    FD_ZERO(&bits);
    FD_SET(fd, &bits);
    if (strcmp(how, "poll") == 0)
        return poll(&one, 1, 5000);
    if (strcmp(how, "select") == 0)
        return select(fd + 1, events & POLLIN ? &bits : NULL, events & POLLOUT ? &bits : NULL, NULL, &limit);
    if (strcmp(how, "epoll") == 0) {
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
            epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
        return epoll_wait(set, &event, 1, 5000);
    }
    return 1;
}

static const char *exchange(const char *how)
{
    int waits = strcmp(how, "block") != 0, error = 0;
    int fd = socket(AF_INET, SOCK_STREAM | (waits ? SOCK_NONBLOCK : 0), 0);
    socklen_t length = sizeof error;
    char byte = 'x';
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return close(fd), "connect";
    wait_for(fd, how, POLLOUT);
    if (waits && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error)
        return close(fd), "connect";
    if (send(fd, &byte, 1, 0) != 1)
        return close(fd), "send";
    wait_for(fd, how, POLLIN);
    ssize_t got = recv(fd, &byte, 1, 0);
    return close(fd), got == 1 ? "exchanged" : "recv";
}

static void lock_up(int count, char **ours)
{
    static const int natively[] = {SYS_socket, SYS_connect,    SYS_sendto,    SYS_recvfrom,  SYS_close,
                                   SYS_poll,   SYS_select,     SYS_pselect6,  SYS_epoll_ctl, SYS_epoll_wait,
                                   SYS_write,  SYS_exit_group, SYS_getsockopt};
    enum { NATIVELY = sizeof natively / sizeof natively[0], MOST = 100 };
    struct sock_filter code[2 * MOST + 2];
    unsigned short used = 0;
    code[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < NATIVELY + count && i < MOST; i++) {
        unsigned allowed = (unsigned)(i < NATIVELY ? natively[i] : atoi(ours[i - NATIVELY]));
        code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed, 0, 1);
        code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {.len = used, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        perror("seccomp");
}

int main(int argc, char **argv)
{
    static char out[4096];
    if (argc < 5)
        return 2;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    set = epoll_create1(0);
    if (strcmp(argv[4], "first") == 0)
        exchange(argv[3]);
    lock_up(argc - 5, argv + 5);
    for (int i = 0; i < atoi(argv[2]); i++) {
        strcat(out, exchange(argv[3]));
        strcat(out, "\n");
    }
    return write(1, out, strlen(out)) < 0;
}
