/* SPDX-License-Identifier: MIT
 * Without the library. */
#include "bare.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "process.h"
#include "print.h"

void become_bare(char **argv)
{
    const char *disabled = getenv("RESIL_DISABLE");
    struct process *self = take_memory(1, sizeof *self);
    if ((!disabled || strcmp(disabled, "all") != 0) && process_read(getpid(), self) == RESCTL_OK &&
        self->program.library[0] && setenv("RESIL_DISABLE", "all", 1) == 0)
        execv("/proc/self/exe", argv - 1);
    free(self);
}
