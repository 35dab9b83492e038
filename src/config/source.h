/* SPDX-License-Identifier: MIT
 * Files and directories of the configuration, by raw system calls. */
#ifndef RESIL_CONFIG_SOURCE_H
#define RESIL_CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/arena.h"

enum { SOURCE_BYTES_MAX = 1 << 20 };

struct source {
    char *text; /* a mapping of its own, until source_close() */
    size_t length;
    uint64_t dev, ino; /* who the file is, whatever its name */
};

/* source_open(path, source): reads a whole file; 0 or -errno (-EFBIG: larger than SOURCE_BYTES_MAX, -EINVAL: not a
 * regular file). */
int source_open(const char *path, struct source *source);
void source_close(struct source *source);

/* source_list(arena, directory, glob, names, limit): the entries of directory that glob matches, sorted; names that
 * begin with a dot only when glob does. Returns how many there are (only the first limit are in names), or -errno. */
long source_list(struct arena *arena, const char *directory, const char *glob, const char **names, size_t limit);

/* source_reason(error, out, size): what an errno of these functions means; returns out. */
const char *source_reason(int error, char *out, size_t size);

#endif
