/* SPDX-License-Identifier: MIT
 * Starting another program: this process goes on with its connections; what the other inherits is lent. libc makes the
 * child itself (clone, file actions, exec), so that nothing of that is seen here. */
#include <alloca.h>
#include <errno.h>

#include "conn/envp.h"
#include "conn/handover.h"
#include "conn/host.h"
#include "hooks/hook.h"

struct spawn_call {
    __typeof__(posix_spawn) *call;
    pid_t *pid;
    const char *name;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
    char *const *argv;
};

static int call_with(const struct spawn_call *call, char *const *envp)
{
    return call->call(call->pid, call->name, call->actions, call->attributes, call->argv, envp);
}

static int extended(const struct spawn_call *call, char *const *envp)
{
    struct envp_plan plan;
    if (!envp_plan(envp, &plan))
        return call_with(call, envp);
    int error = call_with(call, envp_build(&plan, alloca(plan.bytes)));
    return error == E2BIG ? call_with(call, envp) : error;
}

static int run(const struct spawn_call *call, char *const *envp)
{
    if (host.inert)
        return call_with(call, envp);
    int saved = errno;
    bool begun = handover_begin(false);
    int error = extended(call, envp);
    if (begun && error)
        handover_failed(false);
    errno = saved; /* the result is the error */
    return error;
}

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    return run(&(struct spawn_call){real.posix_spawn, pid, path, actions, attributes, argv}, envp);
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    return run(&(struct spawn_call){real.posix_spawnp, pid, file, actions, attributes, argv}, envp);
}

HOOK int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
    handover_named(from);
    return real.posix_spawn_file_actions_adddup2(actions, from, to);
}

HOOK int system(const char *command)
{
    if (command && !host.inert)
        handover_begin(false);
    return real.system(command);
}

HOOK FILE *popen(const char *command, const char *mode)
{
    if (!host.inert)
        handover_begin(false);
    return real.popen(command, mode);
}
