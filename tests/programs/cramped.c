/* SPDX-License-Identifier: MIT
 * A program in a tight place: cramped PLACE PORT [BYTES]. It limits itself, then connects, waits by select, poll and epoll,
 * and says what it saw. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int port;

static void *talk(void *unused)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char byte[8];
    fd_set in;
    struct timeval patience = {5, 0};
    struct epoll_event event = {.events = EPOLLIN};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        printf("connect: %s\n", strerror(errno));
        return NULL;
    }
    FD_ZERO(&in);
    FD_SET(fd, &in);
    send(fd, "x", 1, 0);
    int ready = select(fd + 1, &in, NULL, NULL, &patience);
    ready += poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000);
    ssize_t got = recv(fd, byte, sizeof byte, 0);
    send(fd, "y", 1, 0);
    int set = epoll_create1(0);
    if (set >= 0) {
        epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
        epoll_wait(set, &event, 1, 5000);
        close(set);
    }
    got += recv(fd, byte, sizeof byte, 0);
    close(fd);
    printf("ready %d, got %zd\n", ready, got);
    return unused;
}

static void on_signal(int number)
{
    talk(number ? NULL : NULL);
}

static void limit(int what, rlim_t value)
{
    setrlimit(what, &(struct rlimit){value, value});
}

static void in_a_thread(size_t bytes)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    pthread_create(&thread, &attributes, talk, NULL);
    pthread_join(thread, NULL);
}

static void in_a_handler(size_t bytes)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, guard + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, guard, PROT_NONE);
    sigaltstack(&(stack_t){.ss_sp = memory + guard, .ss_size = bytes}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, NULL);
    raise(SIGUSR1);
}

static void becomes_nobody(void)
{
    talk(NULL);
    if (setgid(65534) != 0 || setuid(65534) != 0)
        puts("still somebody");
    talk(NULL);
    fflush(stdout);
    if (fork() == 0) {
        talk(NULL);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

int main(int argc, char **argv)
{
    const char *place = argc > 2 ? argv[1] : "";
    size_t bytes = argc > 3 ? (size_t)atoi(argv[3]) : 0;
    port = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(place, "thread") == 0)
        return in_a_thread(bytes), 0;
    if (strcmp(place, "handler") == 0)
        return in_a_handler(bytes), 0;
    if (strcmp(place, "file") == 0)
        limit(RLIMIT_FSIZE, bytes);
    if (strcmp(place, "later file") == 0) {
        talk(NULL);
        limit(RLIMIT_FSIZE, bytes);
    }
    if (strcmp(place, "descriptors") == 0)
        limit(RLIMIT_NOFILE, bytes);
    if (strcmp(place, "addresses") == 0)
        limit(RLIMIT_AS, bytes);
    if (strcmp(place, "data") == 0)
        limit(RLIMIT_DATA, bytes);
    if (strcmp(place, "locked") == 0) {
        limit(RLIMIT_MEMLOCK, bytes);
        printf("mlockall %d\n", mlockall(MCL_FUTURE));
    }
    if (strcmp(place, "closed") == 0) {
        talk(NULL);
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
    }
    if (strcmp(place, "nobody") == 0)
        becomes_nobody();
    if (strcmp(place, "root") == 0 && (chroot("/proc/self/fdinfo") != 0 || chdir("/") != 0))
        puts("no other root");
    talk(NULL);
    return 0;
}
