/* SPDX-License-Identifier: MIT
 * budget SHARE PER_SECOND SECONDS: drives the retry budget by events on its input, each {now_ns: u64, retry: u64}, as
 * the library does. Answers each with {allowed: u32, calls: u32, retries: u32}: what is counted afterwards. SHARE is in
 * thousandths of a percent. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/retry.h"

enum { BUCKETS = 10 };

static uint64_t buckets[BUCKETS];

static uint32_t count(uint64_t epoch, unsigned shift)
{
    uint64_t sum = 0;
    for (int i = 0; i < BUCKETS; i++)
        if (buckets[i] != 0 && ((epoch - (buckets[i] >> 48)) & 0xffff) < BUCKETS)
            sum += buckets[i] >> shift & 0xffffff;
    return (uint32_t)sum;
}

int main(int argc, char **argv)
{
    uint64_t event[2];
    if (argc != 4)
        return 2;
    const struct conf conf = {.retry_budget = budget_pack((struct budget){
                                  (uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3])})};
    while (fread(event, sizeof event, 1, stdin) == 1) {
        uint64_t epoch = budget_epoch(&conf, event[0]);
        uint64_t *bucket = &buckets[epoch % BUCKETS];
        uint32_t answer[3] = {1};
        *bucket = budget_add(*bucket, epoch, event[1] != 0);
        if (event[1] && !budget_kept(&conf, buckets, epoch)) {
            *bucket = budget_take_back(*bucket, epoch);
            answer[0] = 0;
        }
        answer[1] = count(epoch, 24);
        answer[2] = count(epoch, 0);
        if (fwrite(answer, sizeof answer, 1, stdout) != 1)
            return 4;
    }
    return 0;
}
