/* SPDX-License-Identifier: MIT
 * SysV semaphores, namespaces, start times. */
#include "segment/ipc.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "base/text.h"
#include "real/raw.h"

#ifdef SYS_semop
static long sem_get(int count)
{
    return raw_syscall(SYS_semget, IPC_PRIVATE, count, 0600 | IPC_CREAT, 0, 0, 0);
}
static long sem_op(int32_t id, struct sembuf *op)
{
    return raw_syscall(SYS_semop, id, (long)op, 1, 0, 0, 0);
}
static long sem_control(int32_t id, unsigned index, int command, void *argument)
{
    return raw_syscall(SYS_semctl, id, (long)index, command, (long)argument, 0, 0);
}
#else
/* i386 has one multiplexed call for all of SysV IPC; some have a number of their own since 5.1, semop never got one. */
enum { CALL_SEMOP = 1, CALL_SEMGET = 2, CALL_SEMCTL = 3, FLAG_IPC_64 = 0x100 };
static long sem_get(int count)
{
    return raw_syscall(SYS_ipc, CALL_SEMGET, IPC_PRIVATE, count, 0600 | IPC_CREAT, 0, 0);
}
static long sem_op(int32_t id, struct sembuf *op)
{
    return raw_syscall(SYS_ipc, CALL_SEMOP, id, 1, 0, (long)op, 0);
}
static long sem_control(int32_t id, unsigned index, int command, void *argument)
{
    long given = (long)argument;
    return raw_syscall(SYS_ipc, CALL_SEMCTL, id, (long)index, command | FLAG_IPC_64, (long)&given, 0);
}
#endif

int32_t ipc_sem_create(int count)
{
    long id = sem_get(count);
    return id < 0 ? -1 : (int32_t)id;
}

void ipc_sem_remove(int32_t id)
{
    if (id >= 0)
        sem_control(id, 0, IPC_RMID, NULL);
}

bool ipc_sem_is_unused(int32_t id, int count, uint32_t uid)
{
    struct semid_ds set = {.sem_nsems = 0};
    return id >= 0 && sem_control(id, 0, IPC_STAT, &set) == 0 && set.sem_nsems == (unsigned long)count &&
           set.sem_otime == 0 && set.sem_perm.cuid == uid;
}

bool ipc_sem_take_unit(int32_t id, unsigned index)
{
    struct sembuf op = {.sem_num = (unsigned short)index, .sem_op = 1, .sem_flg = SEM_UNDO | IPC_NOWAIT};
    return sem_op(id, &op) == 0;
}

void ipc_sem_give_unit(int32_t id, unsigned index)
{
    struct sembuf op = {.sem_num = (unsigned short)index, .sem_op = -1, .sem_flg = SEM_UNDO | IPC_NOWAIT};
    sem_op(id, &op);
}

int ipc_sem_value(int32_t id, unsigned index)
{
    long value = sem_control(id, index, GETVAL, NULL);
    return value < 0 ? -1 : (int)value;
}

/* The link reads "pid:[4026531836]". */
uint64_t ipc_namespace(const char *name)
{
    char path[64], link[64];
    text_format(path, sizeof path, "/proc/self/ns/%s", name);
    ssize_t length = raw_readlink(path, link, sizeof link - 1);
    uint64_t inode = 0;
    for (ssize_t i = 0; i < length; i++)
        if (link[i] >= '0' && link[i] <= '9')
            inode = inode * 10 + (uint64_t)(link[i] - '0');
    return inode;
}

uint64_t ipc_start_time(int pid, bool *exists)
{
    char path[48], stat[1024];
    if (pid == IPC_SELF)
        text_format(path, sizeof path, "/proc/self/stat");
    else
        text_format(path, sizeof path, "/proc/%d/stat", pid);
    ssize_t length = raw_read_file(path, stat, sizeof stat);
    *exists = length != -ENOENT && length != -ESRCH;
    if (length <= 0)
        return 0;
    /* The command in parentheses may hold blanks and parentheses itself: the last one ends it. */
    ssize_t i = length - 1;
    while (i > 0 && stat[i] != ')')
        i--;
    for (int field = 2; i < length && field < 22; i++)
        field += stat[i] == ' ';
    uint64_t ticks = 0;
    for (; i < length && stat[i] >= '0' && stat[i] <= '9'; i++)
        ticks = ticks * 10 + (uint64_t)(stat[i] - '0');
    return ticks;
}

int ipc_fallocate(int fd, uint64_t bytes)
{
#if defined(__i386__)
    return (int)raw_syscall(SYS_fallocate, fd, 0, 0, 0, (long)bytes, (long)(bytes >> 32));
#else
    return (int)raw_syscall(SYS_fallocate, fd, 0, 0, (long)bytes, 0, 0);
#endif
}
