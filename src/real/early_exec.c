/* SPDX-License-Identifier: MIT
 * Early forms of exec and spawn: see early.h. Those that search PATH or are more than a system call are the next
 * definition, found at the first use. */
#include "real/early.h"

#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "real/arguments.h"
#include "real/dynamic.h"
#include "real/raw.h"

static int fail(long result)
{
    errno = (int)-result;
    return -1;
}

int early_execve(const char *path, char *const argv[], char *const envp[])
{
    return fail(raw_syscall(SYS_execve, (long)path, (long)argv, (long)envp, 0, 0, 0));
}

int early_execv(const char *path, char *const argv[])
{
    return early_execve(path, argv, environ);
}

int early_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return fail(raw_syscall(SYS_execveat, dir, (long)path, (long)argv, (long)envp, flags, 0));
}

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define LATE(failed, name, ...)                                                                                        \
    __typeof__(name) *next = NULL;                                                                                     \
    void *found = next_of(#name);                                                                                      \
    memcpy(&next, &found, sizeof next);                                                                                \
    if (next)                                                                                                          \
        return next(__VA_ARGS__);                                                                                      \
    errno = ENOSYS;                                                                                                    \
    return failed

int early_execvpe(const char *file, char *const argv[], char *const envp[])
{
    LATE(-1, execvpe, file, argv, envp);
}

int early_execvp(const char *file, char *const argv[])
{
    return early_execvpe(file, argv, environ);
}

int early_execl(const char *path, const char *first, ...)
{
    GATHER(argv, first, (void)0);
    return early_execve(path, argv, environ);
}

int early_execlp(const char *file, const char *first, ...)
{
    GATHER(argv, first, (void)0);
    return early_execvpe(file, argv, environ);
}

int early_execle(const char *path, const char *first, ...)
{
    char *const *envp;
    GATHER(argv, first, envp = va_arg(args, char *const *));
    return early_execve(path, argv, envp);
}

int early_fexecve(int fd, char *const argv[], char *const envp[])
{
    LATE(-1, fexecve, fd, argv, envp);
}

int early_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    LATE(ENOSYS, posix_spawn, pid, path, actions, attributes, argv, envp);
}

int early_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    LATE(ENOSYS, posix_spawnp, pid, file, actions, attributes, argv, envp);
}

int early_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
    LATE(ENOSYS, posix_spawn_file_actions_adddup2, actions, from, to);
}

int early_system(const char *command)
{
    LATE(-1, system, command);
}

FILE *early_popen(const char *command, const char *mode)
{
    LATE(NULL, popen, command, mode);
}
