/* SPDX-License-Identifier: MIT
 * Another preload that stands before the same symbols: it counts what passes it, and says so at the end. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static int counts[5];

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int connect(int fd, const struct sockaddr *to, socklen_t length)
{
    counts[0]++;
    return NEXT(connect)(fd, to, length);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    counts[1]++;
    return NEXT(send)(fd, data, bytes, flags);
}

ssize_t recv(int fd, void *data, size_t bytes, int flags)
{
    counts[2]++;
    return NEXT(recv)(fd, data, bytes, flags);
}

int close(int fd)
{
    counts[3]++;
    return NEXT(close)(fd);
}

ssize_t read(int fd, void *data, size_t bytes)
{
    counts[4]++;
    return NEXT(read)(fd, data, bytes);
}

__attribute__((destructor)) static void report(void)
{
    fprintf(stderr, "passed %d %d %d\n", counts[0], counts[1], counts[2]);
}
