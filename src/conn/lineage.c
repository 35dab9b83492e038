/* SPDX-License-Identifier: MIT
 * Process, vfork child, copy. */
#include "conn/lineage.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "conn/host.h"
#include "conn/sleeper.h"
#include "conn/sleeper.h"
#include "conn/track.h"
#include "real/raw.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* 1 in the process that mapped it and on its memory, 0 in copies. NULL on a kernel before 4.14:
 * then a copy that ran no handlers is taken for a vfork child, and records nothing. */
static _Atomic(_Atomic uint32_t *) mark;

void lineage_begin(void)
{
    enum { PAGE_BYTES = 4096 };
    if (atomic_load(&mark))
        return;
    _Atomic uint32_t *page = raw_mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!page)
        return;
    if (raw_syscall(SYS_madvise, (long)page, PAGE_BYTES, MADV_WIPEONFORK, 0, 0, 0) != 0) {
        raw_munmap((void *)page, PAGE_BYTES);
        return;
    }
    atomic_store(page, 1);
    atomic_store(&mark, page);
}

bool lineage_borrowed(void)
{
    _Atomic uint32_t *page = atomic_load(&mark);
    if ((uint32_t)raw_getpid() == atomic_load_explicit(&host.pid, memory_order_relaxed))
        return false;
    if (!page || atomic_load(page) != 0)
        return true;
    lineage_after_fork();
    return false;
}

void lineage_before_fork(void)
{
    sleeper_before_fork();
    track_before_fork();
}

void lineage_after_fork(void)
{
    _Atomic uint32_t *page = atomic_load(&mark);
    host_after_fork();
    if (page)
        atomic_store(page, 1);
    sleeper_after_fork();
    track_after_fork();
}
