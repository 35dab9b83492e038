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

struct real {
#define SYMBOL(name, family, twin) __typeof__(name) *name;
#include "tables/symbols.tbl.h"
};

extern struct real real;

/* real_resolve(): fills `real` by dlsym(RTLD_NEXT). Constructor only. Symbols that this libc lacks keep their
 * early form. */
void real_resolve(void);

#endif
