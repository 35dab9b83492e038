/* SPDX-License-Identifier: MIT
 * Bookkeeping of descriptors, for the hooks that see their lives: close, dup, syscall. */
#ifndef RESIL_HOOKS_FD_H
#define RESIL_HOOKS_FD_H

#include <stdbool.h>

#include "conn/track.h"

/* Before a descriptor is closed; after it: track_closed(). */
struct closing fd_forget(int fd);
/* Before all of a range are closed; after it: track_sweep(). */
void fd_forget_range(unsigned first, unsigned last);
/* Before dup2(from, to): what stands at `to` will be closed, if the call can succeed; after it: track_closed(). */
struct closing fd_replace(int from, int to);
/* After a call that made `to` another name of `from`; returns `to`. */
int fd_alias(int from, int to);
/* After an fcntl() on a tracked descriptor; returns result. */
int fd_after_fcntl(int fd, int command, long argument, int result);
/* After a successful F_SETFL or FIONBIO. */
void fd_mode_changed(int fd, bool nonblocking);

#endif
