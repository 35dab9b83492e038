/* SPDX-License-Identifier: MIT
 * policy window NS | policy calls N | policy rate PER_HOUR BURST MAX_WAIT_NS: drives one policy by events on its input,
 * four u64 each, and answers each with three: what the policy then says and holds.
 *   window, calls  {now_ns, generation, failed, slow} -> {calls, failed, slow}
 *   rate           {now_ns, may_wait, 0, 0}           -> {admitted, wait_ns, theoretical arrival time} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/calls.h"
#include "policy/rate.h"
#include "policy/window.h"

static int64_t argument[3];

static void window(const uint64_t event[4], uint64_t answer[3])
{
    static uint64_t buckets[WINDOW_BUCKETS];
    uint64_t epoch = window_epoch(event[0], argument[0]);
    struct window_sum sum = {0};
    uint64_t *bucket = &buckets[epoch % WINDOW_BUCKETS];
    *bucket = window_add(*bucket, epoch, (uint32_t)event[1], event[2], event[3]);
    for (int i = 0; i < WINDOW_BUCKETS; i++)
        window_add_to(&sum, buckets[i], epoch, (uint32_t)event[1]);
    answer[0] = sum.calls;
    answer[1] = sum.failed;
    answer[2] = sum.slow;
}

static void set_bit(uint64_t *words, uint32_t bit, uint64_t value)
{
    words[bit / 64] = (words[bit / 64] & ~(1ull << bit % 64)) | value << bit % 64;
}

static void calls(const uint64_t event[4], uint64_t answer[3])
{
    static uint64_t seen, failed[CALLS_WORDS], slow[CALLS_WORDS];
    seen = calls_next(seen, (uint32_t)event[1]);
    uint32_t bit = calls_bit(seen, argument[0]);
    set_bit(failed, bit, event[2]);
    set_bit(slow, bit, event[3]);
    struct window_sum sum = calls_sum(seen, (uint32_t)event[1], failed, slow, argument[0]);
    answer[0] = sum.calls;
    answer[1] = sum.failed;
    answer[2] = sum.slow;
}

static void rate(const uint64_t event[4], uint64_t answer[3])
{
    static uint64_t state;
    const struct conf conf = {.rate_limit = argument[0], .rate_burst = argument[1], .rate_max_wait_ns = argument[2]};
    struct rate_step step = rate_step(state, &conf, event[0], event[1]);
    if (step.admitted)
        state = step.next;
    answer[0] = step.admitted;
    answer[1] = step.wait_ns;
    answer[2] = state;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*drive)(const uint64_t event[4], uint64_t answer[3]);
    } policies[] = {{"window", window}, {"calls", calls}, {"rate", rate}};
    uint64_t event[4], answer[3];
    for (int i = 2; i < argc && i < 5; i++)
        argument[i - 2] = atoll(argv[i]);
    for (size_t i = 0; argc > 2 && i < sizeof policies / sizeof policies[0]; i++)
        if (strcmp(argv[1], policies[i].name) == 0)
            while (fread(event, sizeof event, 1, stdin) == 1) {
                policies[i].drive(event, answer);
                fwrite(answer, sizeof answer, 1, stdout);
            }
    return ferror(stdout) != 0;
}
