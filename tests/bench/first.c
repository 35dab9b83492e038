/* SPDX-License-Identifier: MIT
 * The first connect of a program and one exchange over it.
 *
 *   first        prints the ns that connect() took
 *   first hold   prints them, and stays until its input ends */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : (perror(#condition), exit(1)))

int main(int argc, char **argv)
{
    struct sockaddr_in home = {.sin_family = AF_INET};
    struct timespec start, end;
    socklen_t length = sizeof home;
    char byte = 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    (void)argv;
    home.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&home, length) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&home, &length) == 0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK(connect(client, (struct sockaddr *)&home, length) == 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    int server = accept(listener, NULL, NULL);
    CHECK(send(client, &byte, 1, 0) == 1 && recv(server, &byte, 1, 0) == 1);
    CHECK(send(server, &byte, 1, 0) == 1 && recv(client, &byte, 1, 0) == 1);
    printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec));
    fflush(stdout);
    CHECK(argc < 2 || read(STDIN_FILENO, &byte, 1) == 0);
    close(server);
    close(client);
    return 0;
}
