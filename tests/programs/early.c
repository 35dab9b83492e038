/* SPDX-License-Identifier: MIT
 * Calls before main(): .preinit_array, the constructors of a library, and malloc replacements by their own. Then one
 * exchange as usual. Usage: early PORT [PLUGIN how] */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *exchange(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char *byte = malloc(1);
    *byte = 'x';
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    const char *failed = connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ? "connect"
                         : send(fd, byte, 1, 0) != 1                         ? "send"
                         : recv(fd, byte, 1, 0) != 1                         ? "recv"
                                                                             : NULL;
    int error = errno;
    free(byte);
    close(fd);
    errno = error;
    return failed;
}

static void before_all(int argc, char **argv, char **environment)
{
    int wanted = 0; /* libc knows no environment yet */
    for (; *environment; environment++)
        wanted |= strncmp(*environment, "EARLY_PREINIT=", 14) == 0;
    if (argc > 1 && wanted)
        printf("preinit %s\n", exchange(atoi(argv[1])) ? "failed" : "exchanged");
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **, char **) = before_all;

int main(int argc, char **argv)
{
    if (argc > 3) {
        void *plugin = dlopen(argv[2], RTLD_NOW | (strcmp(argv[3], "deep") == 0 ? RTLD_DEEPBIND : 0));
        const char *(*get)(void) = plugin ? (const char *(*)(void))dlsym(plugin, "plugin_get") : NULL;
        printf("plugin %s", get ? get() : dlerror());
    }
    const char *failed = argc > 1 ? exchange(atoi(argv[1])) : "usage";
    printf("main %s %s\n", failed ? failed : "exchanged", failed ? strerrorname_np(errno) : "");
    return 0;
}
