/* SPDX-License-Identifier: MIT
 * own_stack PORT: a thread connects while signals come as fast as they can; says whether its handler ever found itself
 * on another stack than the thread's own, as collectors of garbage do that look for a thread's stack in a handler. */
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 1 << 20 };
static _Alignas(4096) char stack[STACK];
static atomic_int lost, handled, over;

static void handler(int signal_number)
{
    char here = (char)signal_number;
    const char *at = &here;
    if (at < stack || at >= stack + STACK)
        lost++;
    handled++;
}

static void *caller(void *port)
{
    struct sockaddr_in home = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), result = connect(fd, (struct sockaddr *)&home, sizeof home);
    over = 1;
    return (void *)(long)result;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_attr_t attributes;
    void *result;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, STACK);
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, &attributes, caller, argv[argc - 1]);
    while (!over) {
        pthread_kill(thread, SIGUSR1);
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    pthread_join(thread, &result);
    printf("connect %ld, on another stack %d\n", (long)result, lost);
    return handled == 0;
}
