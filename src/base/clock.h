/* SPDX-License-Identifier: MIT
 * The only reader of time. Any thread; signal safe; usable before init (vDSO or system call). */
#ifndef RESIL_BASE_CLOCK_H
#define RESIL_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S  1000000000ll
#define NS_PER_MS 1000000ll
#define NS_PER_US 1000ll

uint64_t clock_now_ns(void);        /* CLOCK_MONOTONIC: everything but printing */
uint64_t clock_wall_ns(void);       /* CLOCK_REALTIME: printing only */
int64_t clock_boot_offset_ns(void); /* CLOCK_BOOTTIME - CLOCK_MONOTONIC: differs in another time namespace */

#endif
