/* SPDX-License-Identifier: MIT
 * io_uring: what goes through a ring passes no hook, so that its creation is counted, or refused.
 *
 * A ring belongs to the process, not to a destination: `io_uring = deny` in any destination that is enforced refuses
 * every ring. A program that makes the system call by itself (liburing does) is not seen here; `resctl doctor` finds
 * its ring in /proc. */
#ifndef RESIL_CONN_URING_H
#define RESIL_CONN_URING_H

#include <stdbool.h>

/* uring_allowed(): counts a ring that is asked for; false: it is to fail with ENOSYS, as in a kernel without them.
 * Attaches to the segment. Any thread; signal safe; leaves errno as it is. */
bool uring_allowed(void);

#endif
