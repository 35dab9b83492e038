/* SPDX-License-Identifier: MIT
 * Which process is this: the one that we know, a child on its memory (vfork), or a copy of it (fork, by whatever call).
 *
 * A child of vfork, or of clone with CLONE_VM, runs our hooks in its parent's memory until it execs: whatever it closes
 * or duplicates is its own, and must not be recorded there. A copy that was made behind libc's back (a raw clone or
 * fork, _Fork) has not run the handlers of pthread_atfork. A page that the kernel empties in copies (MADV_WIPEONFORK)
 * tells the two apart. Any thread; signal safe.
 */
#ifndef RESIL_CONN_LINEAGE_H
#define RESIL_CONN_LINEAGE_H

#include <stdbool.h>

/* lineage_begin(): maps the page. The constructor. */
void lineage_begin(void);

/* lineage_borrowed(): true on the memory of another process: do nothing that it would have to know of. In a copy that
 * is met for the first time, makes up for the handlers. One system call. */
bool lineage_borrowed(void);

/* The handlers of pthread_atfork: in the parent before, in the child after a fork. */
void lineage_before_fork(void);
void lineage_after_fork(void);

#endif
