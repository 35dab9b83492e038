/* SPDX-License-Identifier: MIT
 * The window of the last N calls (breaker.window_calls): two rings of bits and one word.
 *
 *   calls = generation:12 | seen:52          seen counts the calls since that generation began
 *
 * Call number `seen` writes bit seen % N of both rings; bits at or above min(seen, N) mean nothing. A new
 * generation of the breaker begins with seen = 0: closing the breaker empties the window. Pure; any
 * thread; signal safe. */
#ifndef RESIL_POLICY_CALLS_H
#define RESIL_POLICY_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/window.h"

enum { CALLS_WORDS = 16, CALLS_MAX = 64 * CALLS_WORDS };

/* calls_next(calls, generation): the word after one more call. */
uint64_t calls_next(uint64_t calls, uint32_t generation);
/* calls_bit(calls, length): the bit that the call which made this word writes. */
uint32_t calls_bit(uint64_t calls, int64_t length);
/* calls_is_kept(calls, mark, length): whether the call that made the word `mark` still has its bit at `calls`. */
bool calls_is_kept(uint64_t calls, uint64_t mark, int64_t length);
/* calls_sum(calls, generation, failed, slow, length): the window's contents. */
struct window_sum calls_sum(uint64_t calls, uint32_t generation, const uint64_t failed[CALLS_WORDS],
                            const uint64_t slow[CALLS_WORDS], int64_t length);

#endif
