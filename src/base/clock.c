/* SPDX-License-Identifier: MIT
 * Time. clock_gettime cannot fail for these clocks and changes no errno. */
#include "base/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * (uint64_t)NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t clock_boot_offset_ns(void)
{
    return (int64_t)(read_ns(CLOCK_BOOTTIME) - read_ns(CLOCK_MONOTONIC));
}
