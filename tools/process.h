/* SPDX-License-Identifier: MIT
 * What /proc and the segment tell of a running process: whether the library lives in it, and what passed it by. */
#ifndef RESCTL_PROCESS_H
#define RESCTL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "coverage.h"
#include "program.h"
#include "segment/segment.h"

struct process {
    int64_t pid;
    struct program program; /* of /proc/PID/exe; `library' is the one that is mapped, "" when none is */
    char version[32];       /* of that library, "" when it cannot be told */
    unsigned rings;         /* io_uring descriptors */
    bool attached;
    char segment[SEGMENT_PATH]; /* "" unless attached */
    struct coverage coverage;
};

/* process_read(pid, process): RESCTL_OK, or an exit code after a complaint. Writes nothing anywhere. */
int process_read(int64_t pid, struct process *process);

#endif
