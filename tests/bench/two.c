/* SPDX-License-Identifier: MIT
 * Two processes, each on a core of its own and with one connection to the same endpoint, exchange as fast as they can.
 *
 *   two MS   for MS milliseconds; prints the exchanges of both per second
 *
 * Each process serves its own connection, so that nothing but the library lies between the two. */
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : (perror(#condition), exit(1)))

enum { PROCESSES = 2, BYTES = 64, BATCH = 64 };

static struct sockaddr_in home = {.sin_family = AF_INET};
static socklen_t length = sizeof home;
static int listener, ready[2], go[2], counts[2];

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The n-th of the cores that this process may use, or the last. */
static void pin(int number)
{
    cpu_set_t allowed, one;
    CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    CPU_ZERO(&one);
    for (unsigned core = 0; core < CPU_SETSIZE && number >= 0; core++)
        if (CPU_ISSET(core, &allowed)) {
            CPU_ZERO(&one);
            CPU_SET(core, &one);
            number--;
        }
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

static void exchange(int client, int server)
{
    char bytes[BYTES] = {0};
    CHECK(send(client, bytes, BYTES, 0) == BYTES && recv(server, bytes, BYTES, 0) == BYTES);
    CHECK(send(server, bytes, BYTES, 0) == BYTES && recv(client, bytes, BYTES, 0) == BYTES);
}

static void run(int number, double ms)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    char byte = 0;
    double count = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(number);
    CHECK(connect(client, (struct sockaddr *)&home, length) == 0);
    int server = accept(listener, NULL, NULL);
    exchange(client, server);
    close(go[1]);
    CHECK(write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 0);
    for (double end_ms = now_ms() + ms; now_ms() < end_ms; count += BATCH)
        for (int i = 0; i < BATCH; i++)
            exchange(client, server);
    CHECK(write(counts[1], &count, sizeof count) == sizeof count);
    exit(0);
}

int main(int argc, char **argv)
{
    double ms = argc > 1 ? atof(argv[1]) : 0, sum = 0, count;
    char byte;
    CHECK(ms > 0);
    home.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&home, length) == 0 && listen(listener, PROCESSES) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&home, &length) == 0);
    CHECK(pipe(ready) == 0 && pipe(go) == 0 && pipe(counts) == 0);
    for (int i = 0; i < PROCESSES; i++) { /* one after the other: each accepts its own connection */
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            run(i, ms);
        CHECK(read(ready[0], &byte, 1) == 1);
    }
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++, sum += count)
        CHECK(read(counts[0], &count, sizeof count) == sizeof count);
    while (wait(NULL) > 0)
        ;
    printf("%.0f\n", sum / ms * 1e3);
    return 0;
}
