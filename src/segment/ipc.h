/* SPDX-License-Identifier: MIT
 * SysV semaphores and namespaces by raw system calls. Any thread; signal safe; never allocates.
 *
 * Why SysV: kill(pid, 0) lies for zombies, for other pid namespaces and for dead leader threads, while
 * the kernel gives back a unit taken with SEM_UNDO when the last thread of a process ends, whatever
 * ended it, and keeps it over exec. */
#ifndef RESIL_SEGMENT_IPC_H
#define RESIL_SEGMENT_IPC_H

#include <stdbool.h>
#include <stdint.h>

int32_t ipc_sem_create(int count); /* id, or -1 */
void ipc_sem_remove(int32_t id);   /* -1 is ignored */
/* A set of so many that this user made, and of which no unit was ever taken. */
bool ipc_sem_is_unused(int32_t id, int count, uint32_t uid);
bool ipc_sem_take_unit(int32_t id, unsigned index); /* +1 with SEM_UNDO */
void ipc_sem_give_unit(int32_t id, unsigned index); /* takes that back */
int ipc_sem_value(int32_t id, unsigned index);      /* or -1 */

/* Inode of /proc/self/ns/NAME, 0 when unknown. */
uint64_t ipc_namespace(const char *name);

enum { IPC_SELF = 0 }; /* where /proc is that of another pid namespace, our own number is somebody else's there */

/* Start time of a process in clock ticks since boot (field 22 of its stat), 0 when it does not exist or /proc is
 * not readable; *exists tells the two apart: false only when /proc says that there is no such process. */
uint64_t ipc_start_time(int pid, bool *exists);

int ipc_fallocate(int fd, uint64_t bytes); /* 0 or -errno */

#endif
