/* SPDX-License-Identifier: MIT
 * connect_once PORT [COMMAND...]: prints the size of its pointers and what connect() says, then becomes COMMAND. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(fd, (struct sockaddr *)&to, sizeof to);
    printf("%d bits: %s\n", 8 * (int)sizeof(void *), result == 0 ? "connected" : strerror(errno));
    fflush(stdout);
    close(fd);
    if (argc > 2)
        execv(argv[2], argv + 2);
    return 0;
}
