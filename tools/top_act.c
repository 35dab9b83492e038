/* SPDX-License-Identifier: MIT
 * Acting: `resctl COMMAND TARGET --segment PATH' as a process of its own, so that it says and does here what it does
 * anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "print.h"
#include "top.h"

#define PATIENCE_NS (5 * NS_PER_S)

static void __attribute__((noreturn)) become(const struct top *top, int out)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl("/proc/self/exe", "resctl", top->command, "--segment", top->segment->path, "--", top->target, (char *)NULL);
    _exit(127);
}

/* What it says, until it ends or patience does. */
static void listen(int in, char *out, size_t size)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)PATIENCE_NS;
    size_t used = 0;
    for (uint64_t now_ns = clock_now_ns(); now_ns < end_ns; now_ns = clock_now_ns()) {
        struct pollfd one = {.fd = in, .events = POLLIN};
        char rest[256], *to = used + 1 < size ? out + used : rest;
        if (poll(&one, 1, (int)((end_ns - now_ns) / (uint64_t)NS_PER_MS) + 1) < 0 && errno != EINTR)
            break;
        if (!one.revents)
            continue;
        ssize_t got = read(in, to, to == rest ? sizeof rest : size - 1 - used);
        if (got <= 0 && errno != EINTR)
            break;
        if (got == 0)
            break;
        used += to == rest || got < 0 ? 0 : (size_t)got;
    }
    out[used] = '\0';
}

void top_act(struct top *top)
{
    char said[TOP_NOTE];
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(top->note, sizeof top->note, "cannot run it: %s", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0)
        become(top, ends[1]);
    close(ends[1]);
    said[0] = '\0';
    if (child > 0)
        listen(ends[0], said, sizeof said);
    close(ends[0]);
    if (child < 0) {
        snprintf(top->note, sizeof top->note, "cannot run it: %s", strerror(errno));
        return;
    }
    if (waitpid(child, &status, WNOHANG) == 0) {
        struct timespec moment = {.tv_nsec = 50 * NS_PER_MS}; /* its output is over, or its time is */
        nanosleep(&moment, NULL);
        if (waitpid(child, &status, WNOHANG) == 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
    }
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (*said)
        copy_text(top->note, sizeof top->note, said, strcspn(said, "\n"));
    else
        snprintf(top->note, sizeof top->note, "%s %.150s: %s", top->command, top->target, well ? "done" : "failed");
}
