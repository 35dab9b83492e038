/* SPDX-License-Identifier: MIT
 * Memory of one compilation: anonymous mappings that are only ever given back together. The compiler runs
 * inside programs whose malloc may not be ready, or may be ours to break. */
#ifndef RESIL_CONFIG_ARENA_H
#define RESIL_CONFIG_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *newest;
    size_t mapped;  /* bytes of all chunks */
    bool exhausted; /* an allocation failed: the result of the compilation is worthless */
};

/* arena_alloc(arena, bytes): zeroed, aligned for any object; NULL when the bound or the memory is exhausted. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* arena_copy(arena, text, length): text with a NUL; "" when nothing could be allocated. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

void arena_release(struct arena *arena);

#endif
