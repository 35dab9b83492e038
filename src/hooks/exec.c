/* SPDX-License-Identifier: MIT
 * exec: another program takes this process. PATH and errors are libc's; the call comes back only when it failed, and
 * then everything is as before. Usable in a vfork child: memory on the stack only. */
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

#include "conn/envp.h"
#include "conn/handover.h"
#include "conn/host.h"
#include "hooks/hook.h"
#include "real/arguments.h"

struct exec_call {
    int (*call)(const struct exec_call *call, char *const *envp);
    const char *name;
    int fd, flags;
    char *const *argv;
};

/* Our environment is tried first; a kernel that finds it too long gets the program's own. */
static int call_with(const struct exec_call *call, char *const *envp)
{
    struct envp_plan plan;
    int saved = errno;
    if (!envp_plan(envp, &plan))
        return call->call(call, envp);
    char *const *extended = envp_build(&plan, alloca(plan.bytes));
    int result = call->call(call, extended);
    if (errno != E2BIG)
        return result;
    errno = saved;
    return call->call(call, envp);
}

static int run(const struct exec_call *call, char *const *envp)
{
    if (host.inert)
        return call->call(call, envp);
    bool begun = handover_begin(true);
    int result = call_with(call, envp);
    if (begun)
        handover_failed(true);
    return result;
}

static int by_path(const struct exec_call *call, char *const *envp)
{
    return envp == environ ? real.execv(call->name, call->argv) : real.execve(call->name, call->argv, envp);
}

static int by_file(const struct exec_call *call, char *const *envp)
{
    return envp == environ ? real.execvp(call->name, call->argv) : real.execvpe(call->name, call->argv, envp);
}

static int by_fd(const struct exec_call *call, char *const *envp)
{
    return real.fexecve(call->fd, call->argv, envp);
}

static int at_directory(const struct exec_call *call, char *const *envp)
{
    return real.execveat(call->fd, call->name, call->argv, envp, call->flags);
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
    return run(&(struct exec_call){.call = by_path, .name = path, .argv = argv}, envp);
}

HOOK int execv(const char *path, char *const argv[])
{
    return run(&(struct exec_call){.call = by_path, .name = path, .argv = argv}, environ);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return run(&(struct exec_call){.call = by_file, .name = file, .argv = argv}, envp);
}

HOOK int execvp(const char *file, char *const argv[])
{
    return run(&(struct exec_call){.call = by_file, .name = file, .argv = argv}, environ);
}

HOOK int execl(const char *path, const char *first, ...)
{
    GATHER(argv, first, (void)0);
    return run(&(struct exec_call){.call = by_path, .name = path, .argv = argv}, environ);
}

HOOK int execlp(const char *file, const char *first, ...)
{
    GATHER(argv, first, (void)0);
    return run(&(struct exec_call){.call = by_file, .name = file, .argv = argv}, environ);
}

HOOK int execle(const char *path, const char *first, ...)
{
    char *const *envp;
    GATHER(argv, first, envp = va_arg(args, char *const *));
    return run(&(struct exec_call){.call = by_path, .name = path, .argv = argv}, envp);
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
    return run(&(struct exec_call){.call = by_fd, .fd = fd, .argv = argv}, envp);
}

HOOK int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return run(&(struct exec_call){.call = at_directory, .name = path, .fd = dir, .flags = flags, .argv = argv}, envp);
}
