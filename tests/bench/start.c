/* SPDX-License-Identifier: MIT
 * The whole life of a program, with a library preloaded and without, in turns.
 *
 *   start LIBRARY ROUNDS PROGRAM [ARGUMENTS]   a line for each round: ns without, ns with LIBRARY */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VARIABLES = 1024 };

static char *with[VARIABLES + 2], *without[VARIABLES + 1];

static double life_ns(char **command, char **environment)
{
    struct timespec start, end;
    pid_t child;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (posix_spawn(&child, command[0], NULL, NULL, command, environment) != 0 || waitpid(child, &status, 0) != child ||
        status != 0) {
        fprintf(stderr, "start: %s failed\n", command[0]);
        exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

int main(int argc, char **argv)
{
    char preload[4096];
    int used = 0;
    if (argc < 4)
        return 2;
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", argv[1]);
    for (char **entry = environ; *entry && used < VARIABLES; entry++)
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0)
            with[used] = without[used] = *entry, used++;
    with[used] = preload;
    for (long round = atol(argv[2]); round > 0; round--) {
        double without_ns = life_ns(argv + 3, without);
        printf("%.0f %.0f\n", without_ns, life_ns(argv + 3, with));
    }
    return 0;
}
