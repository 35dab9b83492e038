/* SPDX-License-Identifier: MIT
 * Children of the agent: commands, and calls that can only wait. Each is a process group of its own, has no descriptor
 * of ours but those given, default signals, and dies with us. One thread. */
#ifndef RESCTL_AGENT_CHILD_H
#define RESCTL_AGENT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_plan {
    const char *command;      /* for /bin/sh -c; or NULL, and then: */
    void (*run)(void *, int); /* runs in the child with its standard output, which then exits with 0 */
    void *context;            /* of run() */
    const char *const *extra; /* environment "NAME=value" beside ours, ended by NULL; or NULL */
    int input;                /* becomes its standard input; -1: /dev/null */
    int output;               /* its standard output; -1: /dev/null. Standard error: /dev/null */
};

/* child_start(plan): its pid, or -errno. */
pid_t child_start(const struct child_plan *plan);

/* child_watch(pid): a descriptor (CLOEXEC) that becomes readable when it ends, or -errno. */
int child_watch(pid_t pid);

/* child_ended(pid, status): whether it has ended; then it is gone and *status is as of waitpid(). */
bool child_ended(pid_t pid, int *status);

/* child_kill(pid): ends its process group and waits for it. */
void child_kill(pid_t pid);

#endif
