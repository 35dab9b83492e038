/* SPDX-License-Identifier: MIT
 * Removing a segment's semaphore set. */
#include "remove.h"

#include <sys/sem.h>

#include "segment/ipc.h"

void remove_semaphores(const struct segment *segment)
{
    struct semid_ds set;
    int32_t id = seg_header(segment)->sem_id;
    union {
        int value;
        struct semid_ds *set;
    } argument = {.set = &set};
    if (segment->sem_usable && semctl(id, 0, IPC_STAT, argument) == 0 && set.sem_nsems == SEG_PROCESSES)
        ipc_sem_remove(id);
}
