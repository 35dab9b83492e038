/* SPDX-License-Identifier: MIT
 * Starting and ending children. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { CANNOT_RUN = 127, DESCRIPTORS = 1024 };

extern char **environ;

/* A signal mask and ignored signals outlive exec: the command shall have what a shell would give it. */
static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_others(void)
{
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
        return;
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        close(fd);
}

/* Both may stand where the other belongs: copies above them first. */
static void set_streams(const struct child_plan *plan)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int input = fcntl(plan->input >= 0 ? plan->input : null, F_DUPFD, 3);
    int output = fcntl(plan->output >= 0 ? plan->output : null, F_DUPFD, 3);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
}

static void extend_environment(const char *const *extra)
{
    for (; extra && *extra; extra++) {
        char name[64];
        size_t length = strcspn(*extra, "=");
        if (length >= sizeof name || (*extra)[length] != '=')
            continue;
        memcpy(name, *extra, length);
        name[length] = '\0';
        setenv(name, *extra + length + 1, 1);
    }
}

_Noreturn static void become(const struct child_plan *plan, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(CANNOT_RUN);
    default_signals();
    set_streams(plan);
    close_others();
    extend_environment(plan->extra);
    if (plan->run) {
        plan->run(plan->context, STDOUT_FILENO);
        _exit(0);
    }
    execl("/bin/sh", "sh", "-c", plan->command, (char *)NULL);
    _exit(CANNOT_RUN);
}

pid_t child_start(const struct child_plan *plan)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become(plan, parent);
    setpgid(pid, pid); /* in both: whoever kills the group must find it */
    return pid;
}

int child_watch(pid_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

bool child_ended(pid_t pid, int *status)
{
    return waitpid(pid, status, WNOHANG) == pid;
}

void child_kill(pid_t pid)
{
    int status;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}
