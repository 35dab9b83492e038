/* SPDX-License-Identifier: MIT
 * The sliding window: ten buckets, each one tenth of the window, each one 64-bit word.
 *
 *   bucket = epoch:22 | generation:6 | ok:12 | failed:12 | slow:12
 *
 * A bucket counts only when its epoch is one of the last ten tenths and its generation is the
 * breaker's: closing the breaker therefore empties the window without a second write. When a count
 * reaches 4095 all three are halved: ratios stay true, and one word is enough (an estimate that only
 * a tenth with more than 4,095 calls of a kind ever sees).
 *
 * Pure; any thread; signal safe.
 */
#ifndef RESIL_POLICY_WINDOW_H
#define RESIL_POLICY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_BUCKETS = 10, WINDOW_COUNT_MAX = 4095 };

/* The bits of a bucket that count failed and slow calls. */
#define WINDOW_TROUBLE ((1ull << 24) - 1)

struct window_sum {
    uint32_t calls;
    uint32_t failed;
    uint32_t slow;
};

/* window_epoch(now_ns, window_ns): the number of the current tenth. */
uint64_t window_epoch(uint64_t now_ns, int64_t window_ns);

/* window_add(bucket, epoch, generation, failed, slow): the bucket with one more call; a stale bucket starts anew. */
uint64_t window_add(uint64_t bucket, uint64_t epoch, uint32_t generation, bool failed, bool slow);

/* window_fail(bucket, epoch, generation): one call of that tenth, counted as good (a slow call in flight), failed after
 * all. Unchanged when the bucket is another tenth's by now. */
uint64_t window_fail(uint64_t bucket, uint64_t epoch, uint32_t generation);

/* window_add_to(sum, bucket, epoch, generation): adds a bucket to the sum if it is current at epoch. */
void window_add_to(struct window_sum *sum, uint64_t bucket, uint64_t epoch, uint32_t generation);

#endif
