/* SPDX-License-Identifier: MIT
 * What the harnesses share. Each defines LLVMFuzzerTestOneInput(); its main() is libFuzzer's (`make fuzz`) or that of
 * replay/main.c, which runs files once (`make replay`). */
#ifndef RESIL_TESTS_FUZZ_H
#define RESIL_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold, whatever the input. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The input as a text of its own, so that a read behind its end is seen; for free(). */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Bytes in a block of their own, with the alignment of malloc(). */
static inline void *block_of(const uint8_t *data, size_t size)
{
    void *block = malloc(size ? size : 1);
    MUST(block);
    memcpy(block, data, size);
    return block;
}

#endif
