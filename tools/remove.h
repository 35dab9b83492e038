/* SPDX-License-Identifier: MIT
 * What a segment has besides its file. */
#ifndef RESCTL_REMOVE_H
#define RESCTL_REMOVE_H

#include "segment/segment.h"

/* remove_semaphores(segment): removes its semaphore set. The header may name anything: only a set of our very shape, in
 * our IPC namespace, is touched. */
void remove_semaphores(const struct segment *segment);

#endif
