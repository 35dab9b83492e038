/* SPDX-License-Identifier: MIT
 * A list of mapped chunks, filled from the front. */
#include "config/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "real/raw.h"

enum { CHUNK_BYTES = 256 << 10, ARENA_BYTES_MAX = 32 << 20, ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes;
    size_t used;
};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool add_chunk(struct arena *arena, size_t bytes)
{
    size_t header = aligned(sizeof(struct arena_chunk));
    size_t wanted = bytes > CHUNK_BYTES - header ? aligned(bytes) + header : CHUNK_BYTES;
    if (wanted > ARENA_BYTES_MAX - arena->mapped)
        return false;
    struct arena_chunk *chunk = raw_mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!chunk)
        return false;
    *chunk = (struct arena_chunk){arena->newest, wanted, header};
    arena->newest = chunk;
    arena->mapped += wanted;
    return true;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct arena_chunk *chunk = arena->newest;
    if (bytes > ARENA_BYTES_MAX || ((!chunk || bytes > chunk->bytes - chunk->used) && !add_chunk(arena, bytes))) {
        arena->exhausted = true;
        return NULL;
    }
    chunk = arena->newest;
    char *memory = (char *)chunk + chunk->used;
    size_t taken = aligned(bytes);
    size_t left = chunk->bytes - chunk->used;
    chunk->used += taken < left ? taken : left;
    return memory;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    static char empty[1];
    char *copy = arena_alloc(arena, length + 1);
    if (!copy)
        return empty;
    memcpy(copy, text, length);
    return copy;
}

void arena_release(struct arena *arena)
{
    while (arena->newest) {
        struct arena_chunk *chunk = arena->newest;
        arena->newest = chunk->older;
        raw_munmap(chunk, chunk->bytes);
    }
    *arena = (struct arena){0};
}
