/* SPDX-License-Identifier: MIT
 * The program that a command line really starts, and whether a preloaded library reaches it. */
#ifndef RESCTL_PROGRAM_H
#define RESCTL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "elf_facts.h"

enum { PROGRAM_WHY = 400 };

struct program {
    char path[4096]; /* of the ELF file, behind any interpreters; "" when it could not be found */
    struct elf_facts facts;
    char why[PROGRAM_WHY]; /* why the library cannot reach it, "" when it can */
};

/* program_examine(name, library, program): follows PATH, "#!" lines and env; compares with the library's own ELF
 * header. */
void program_examine(const char *name, const char *library, struct program *program);

/* program_find(name, out, size): as execvp() would find it; false when it would not. */
bool program_find(const char *name, char *out, size_t size);

#endif
