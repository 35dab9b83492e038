/* SPDX-License-Identifier: MIT
 * What creators of segments left that were killed at it: files PATH.new-*, and the semaphore set that such a file
 * names.
 *
 * A creator holds a lock on its file while it fills it (segment/segment.c), which the kernel takes away from a process
 * that dies. Owns nothing. Raw system calls only, no allocation; not signal safe. */
#ifndef RESIL_SEGMENT_LEFTOVERS_H
#define RESIL_SEGMENT_LEFTOVERS_H

/* leftovers_collect(path): removes what belongs to the segment of that path, and to those whose names begin like it.
 * Returns how many files. Those of other users stay, except for root; so do those younger than ten seconds. */
unsigned leftovers_collect(const char *path);

#endif
