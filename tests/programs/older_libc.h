/* SPDX-License-Identifier: MIT
 * Read before a program of this directory that is compiled for a userland with an older libc (tests/distros): what that
 * lacks. The functions without a body are the library's; natively such a call ends the program. */
#include <features.h>
#if !__GLIBC_PREREQ(2, 35)
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#pragma weak execveat
#pragma weak close_range
#pragma weak closefrom
#pragma weak epoll_pwait2
int execveat(int directory, const char *path, char *const argv[], char *const envp[], int flags);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);
int epoll_pwait2(int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask);

#if !__GLIBC_PREREQ(2, 32)
static inline const char *strerrorname_np(int error)
{
    return error == ECONNREFUSED  ? "ECONNREFUSED"
           : error == ETIMEDOUT   ? "ETIMEDOUT"
           : error == EINTR       ? "EINTR"
           : error == EINPROGRESS ? "EINPROGRESS"
           : error == EAGAIN      ? "EAGAIN"
           : error == ECONNRESET  ? "ECONNRESET"
           : error == EBADF       ? "EBADF"
           : error == ENOTCONN    ? "ENOTCONN"
           : error == EPIPE       ? "EPIPE"
                                  : NULL;
}
#endif
#endif
