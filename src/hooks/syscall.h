/* SPDX-License-Identifier: MIT
 * What the parts of the syscall() hook share. */
#ifndef RESIL_HOOKS_SYSCALL_H
#define RESIL_HOOKS_SYSCALL_H

/* A call as it came. */
struct call {
    long number;
    long a[6];
};

/* syscall_make(call): as the program wanted it, by the real syscall(). */
long syscall_make(const struct call *call);

/* syscall_wait(call): poll, ppoll, select, pselect6, epoll_wait, epoll_pwait or epoll_pwait2, in slices that end at the
 * next deadline (conn/wait.h). */
long syscall_wait(struct call *call);

#endif
