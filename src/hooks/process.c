/* SPDX-License-Identifier: MIT
 * syscall(): libuv closes its sockets this way, and others connect. Never an allow-list: what is not of interest goes
 * on with all six arguments. */
#include <stdarg.h>
#include <linux/close_range.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "hooks/fd.h"
#include "hooks/hook.h"

static bool is_duplicate(long number)
{
#ifdef SYS_dup2
    if (number == SYS_dup2)
        return true;
#endif
    return number == SYS_dup3 || number == SYS_dup;
}

HOOK long syscall(long number, ...)
{
    long a[6];
    struct closing closing = {NULL, 0};
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    switch (number) {
    case SYS_close: /* not close(): that is a cancellation point, which is why libuv avoids it */
        closing = fd_forget((int)a[0]);
        break;
    case SYS_dup:
        break;
    case SYS_connect:
        return connect((int)a[0], (const struct sockaddr *)a[1], (socklen_t)a[2]);
#ifdef SYS_dup2
    case SYS_dup2:
        closing = fd_replace((int)a[0], (int)a[1]);
        break;
#endif
    case SYS_dup3:
        closing = fd_replace((int)a[0], (int)a[1]);
        break;
    case SYS_execve:
        return execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
    case SYS_execveat:
        return execveat((int)a[0], (const char *)a[1], (char *const *)a[2], (char *const *)a[3], (int)a[4]);
#ifdef SYS_close_range
    case SYS_close_range:
        if (!(a[2] & CLOSE_RANGE_CLOEXEC))
            fd_forget_range((unsigned)a[0], (unsigned)a[1]);
        break;
#endif
    default:
        return real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    long result = real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    track_closed(closing);
    track_sweep();
    return is_duplicate(number) ? fd_alias((int)a[0], (int)result) : result;
}
