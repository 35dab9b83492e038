/* SPDX-License-Identifier: MIT
 * Bookkeeping of descriptors, for the hooks that see their lives: close, dup, syscall. */
#ifndef RESIL_HOOKS_FD_H
#define RESIL_HOOKS_FD_H

/* Before a descriptor, or all of a range, is closed. */
void fd_forget(int fd);
void fd_forget_range(unsigned first, unsigned last);
/* Before dup2(from, to): closes what stands at `to` if the call can succeed. */
void fd_replace(int from, int to);
/* After a call that made `to` another name of `from`; returns `to`. */
int fd_alias(int from, int to);

#endif
