/* SPDX-License-Identifier: MIT
 * The segments that stand under a standard name, for --all and for complaints. */
#ifndef RESCTL_SEGMENTS_H
#define RESCTL_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

#define SEGMENTS_ALL "/dev/shm/resil-" /* how their paths begin */

/* segments_each(visit, context): calls visit with each path, sorted, and its owner, whatever the file holds; the
 * greatest of what it returned (an exit code), 0 without any. */
int segments_each(int (*visit)(void *context, const char *path, uint32_t uid), void *context);

/* segments_may_read(uid): whether this user may open the segment of that one. */
bool segments_may_read(uint32_t uid);

#endif
