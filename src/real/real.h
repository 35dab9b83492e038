/* SPDX-License-Identifier: MIT
 * The functions that our hooks stand before.
 *
 * `real` is complete at any moment: until real_resolve() ran, every member is a small function that
 * makes the system call itself (src/real/early.c), for library constructors and malloc replacements call
 * us before our own constructor. Afterwards it is the next definition in the program's lookup order, so
 * that other preloads keep working. Members are never NULL. Written once, by the constructor, before
 * there is a second thread; read by anybody.
 */
#ifndef RESIL_REAL_REAL_H
#define RESIL_REAL_REAL_H

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Declared by libc only under _FORTIFY_SOURCE, or not by every version of it. */
ssize_t __read_chk(int fd, void *buf, size_t bytes, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t bytes, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t bytes, size_t room, int flags, struct sockaddr *from,
                       socklen_t *length);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
int epoll_pwait2(int epfd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask);

/* Aliases that libc exports and no header declares. */
__typeof__(connect) __connect;
__typeof__(read) __read;
__typeof__(write) __write;
__typeof__(send) __send;
__typeof__(poll) __poll;
__typeof__(select) __select;
__typeof__(close) __close;
__typeof__(dup2) __dup2;
__typeof__(fcntl) __fcntl;

#ifdef __i386__
/* What -D_TIME_BITS=64 compiles calls into. We are compiled without it: these are libc's own types. */
struct timespec64 {
    int64_t tv_sec;
    int32_t tv_nsec, padding;
};
struct timeval64 {
    int64_t tv_sec, tv_usec;
};
__typeof__(getsockopt) __getsockopt64;
__typeof__(setsockopt) __setsockopt64;
__typeof__(recvmsg) __recvmsg64;
__typeof__(sendmsg) __sendmsg64;
__typeof__(sendmmsg) __sendmmsg64;
__typeof__(fcntl) __fcntl_time64;
__typeof__(ioctl) __ioctl_time64;
int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec64 *timeout);
int __select64(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval64 *timeout);
int __pselect64(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec64 *timeout,
                const sigset_t *mask);
int __ppoll64(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask);
int __epoll_pwait2_time64(int epfd, struct epoll_event *events, int count, const struct timespec64 *timeout,
                          const sigset_t *mask);
#endif

struct real {
#define SYMBOL(name, family, twin) __typeof__(name) *name;
#include "tables/symbols.tbl.h"
};

extern struct real real;

/* real_single_threaded(): whether there is no other thread, as libc (2.32 and later) knows: false when it does not say.
 */
bool real_single_threaded(void);

/* real_resolve(): fills `real` by dlsym(RTLD_NEXT). Constructor only. Symbols that this libc lacks keep their
 * early form. */
void real_resolve(void);

#endif
