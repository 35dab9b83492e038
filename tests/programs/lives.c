/* SPDX-License-Identifier: MIT
 * Ways to live and to start programs that no script language has: lives VERB ARGS.
 *
 *   FUNCTION                     becomes, or starts, /usr/bin/env by this function, with an empty environment
 *   fails FUNCTION               what the function says of a program that does not exist, of too many bytes, of bad memory
 *   stdio PORT                   one request by stdio on a descriptor without FD_CLOEXEC; the errno and the milliseconds
 *   leader PORT                  the first thread ends, another one holds the connection until its input ends
 *   vfork PORT                   a vfork child puts a pipe over its copy of the connection and writes there
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *program = "/usr/bin/env";
static char *arguments[] = {"env", NULL};
static char *nothing[] = {NULL};
static char **environment = nothing;

static int spawned(int error, const pid_t *child)
{
    if (error) {
        errno = error;
        return -1;
    }
    waitpid(*child, NULL, 0);
    return 0;
}

static int start(const char *function)
{
    pid_t child = 0;
    char **given = environment;
    environ = environment;
    if (strcmp(function, "execve") == 0)
        return execve(program, arguments, given);
    if (strcmp(function, "execv") == 0)
        return execv(program, arguments);
    if (strcmp(function, "execvp") == 0)
        return execvp(program, arguments);
    if (strcmp(function, "execvpe") == 0)
        return execvpe(program, arguments, given);
    if (strcmp(function, "execl") == 0)
        return execl(program, "env", (char *)NULL);
    if (strcmp(function, "execle") == 0)
        return execle(program, "env", (char *)NULL, given);
    if (strcmp(function, "execlp") == 0)
        return execlp(program, "env", (char *)NULL);
    if (strcmp(function, "fexecve") == 0)
        return fexecve(open(program, O_RDONLY | O_CLOEXEC), arguments, given);
    if (strcmp(function, "execveat") == 0)
        return execveat(AT_FDCWD, program, arguments, given, 0);
    if (strcmp(function, "syscall") == 0)
        return (int)syscall(SYS_execve, program, arguments, given);
    if (strcmp(function, "posix_spawn") == 0)
        return spawned(posix_spawn(&child, program, NULL, NULL, arguments, given), &child);
    if (strcmp(function, "posix_spawnp") == 0)
        return spawned(posix_spawnp(&child, program, NULL, NULL, arguments, given), &child);
    if (strcmp(function, "vfork") == 0) {
        child = vfork();
        if (child == 0) {
            execve(program, arguments, given);
            _exit(errno);
        }
        return spawned(0, &child);
    }
    return -2;
}

static int fails(const char *function)
{
    static char long_text[300000];
    static char *long_arguments[] = {"env", long_text, NULL};
    program = "/nonexistent/program";
    printf("%d ", start(function) == -1 ? errno : 0);
    program = "/usr/bin/env";
    memset(long_text, 'x', sizeof long_text - 1);
    memcpy(arguments, long_arguments, sizeof arguments[0]);
    environment = (char **)(uintptr_t)8;
    printf("%d ", start(function) == -1 ? errno : 0);
    environment = (char *[]){long_text, NULL};
    printf("%d\n", start(function) == -1 ? errno : 0);
    return 0;
}

static int connected(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        exit(1);
    return fd;
}

static int by_stdio(const char *port)
{
    char line[16];
    struct timespec begin, end;
    FILE *stream = fdopen(connected(port), "r+");
    fputs("s", stream);
    fflush(stream);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    char *got = fgets(line, sizeof line, stream);
    int error = errno;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%d %d %ld\n", got != NULL, error,
           (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000);
    return 0;
}

static void *hold(void *unused)
{
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    exit(0);
    return unused;
}

static int without_leader(const char *port)
{
    pthread_t thread;
    connected(port);
    pthread_create(&thread, NULL, hold, NULL);
    puts("ready");
    fflush(stdout);
    pthread_exit(NULL);
}

static int vfork_child(const char *port)
{
    int fd = connected(port), pipes[2];
    char byte;
    if (pipe(pipes) != 0)
        return 1;
    pid_t child = vfork();
    if (child == 0) {
        dup2(pipes[1], fd);
        _exit(write(fd, "p", 1) == 1 ? 0 : 1);
    }
    waitpid(child, NULL, 0);
    if (read(pipes[0], &byte, 1) != 1 || byte != 'p')
        return 2;
    printf("ready\n");
    fflush(stdout);
    if (read(0, &byte, 1) < 0 || write(fd, "e", 1) != 1)
        return 3;
    printf("%zd\n", read(fd, &byte, 1));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "fails") == 0)
        return fails(argv[2]);
    if (argc == 3 && strcmp(argv[1], "stdio") == 0)
        return by_stdio(argv[2]);
    if (argc == 3 && strcmp(argv[1], "leader") == 0)
        return without_leader(argv[2]);
    if (argc == 3 && strcmp(argv[1], "vfork") == 0)
        return vfork_child(argv[2]);
    return argc == 2 && start(argv[1]) == 0 ? 0 : 2;
}
