/* SPDX-License-Identifier: MIT
 * Hostile segments as the library works in them: every shared protocol on a good segment with edits. No call may touch
 * a byte outside the mapping, or go on for ever. First byte: bit 0: the rules get a checksum that fits. */
#include "segment/learn.h"
#include "segment/limit.h"
#include "tests/fuzz/segment.h"

static const struct conf conf = {
    .breaker_probes = 3,
    .breaker_successes = 1,
    .breaker_halfopen_failures = 1,
    .breaker_ratio_ppm = PPM,
    .breaker_window_ns = 1000,
    .breaker_failures = 2,
    .breaker_open_time_ns = 1,
    .breaker_multiplier_ppm = PPM,
    .bulkhead_adaptive = 1,
    .bulkhead_max = 9,
};

static void rules(struct segment *segment, uint32_t owner)
{
    static uint8_t copy[SEG_RULES_BYTES] __attribute__((aligned(8)));
    uint64_t generation;
    rules_valid(copy, publish_copy(segment, copy, sizeof copy, &generation));
    if (publish_begin(segment, owner))
        publish_error(segment, "/etc/resil/resil.conf", "an error"), publish_end(segment, owner);
}

static void calls(struct segment *segment, uint32_t owner, uint32_t row)
{
    const struct gate gate = {.segment = segment, .row = row, .conf = &conf, .owner = owner, .program = "fuzz"};
    struct admission admission;
    struct slot slot;
    const struct slot_info info = {.row = row, .endpoint = row, .limit = 2, .places = 2, .now_ns = NS_PER_S};
    if (gate_admit(&gate, NS_PER_S, &admission) == VERDICT_ADMIT) {
        gate_slow(&gate, &admission, NS_PER_S, 1);
        gate_result(&gate, &admission, OUTCOME_FAILURE, false, NS_PER_S, 1, 0);
    }
    enum ledger_result result = ledger_acquire(segment, owner, &info, &slot);
    if (result == LEDGER_QUEUED && !ledger_turn(segment, &slot, 2, NS_PER_S))
        ledger_leave(segment, &slot);
    ledger_release(segment, owner, &slot);
    ledger_reap(segment, LEDGER_NONE, 100 * (uint64_t)NS_PER_S);
    limit_sample(seg_row(segment, row), seg_row(segment, row), &conf, 1, false, NS_PER_S);
    learn_add(seg_row(segment, row), LEARN_CONNECT, conf.timeout_connect_ns, 1000, false);
    event_refusal(segment, &(struct event){.kind = EVENT_REJECTED, .row = row}, NS_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    bool resumed;
    if (size < 1 || (fd < 0 && (fd = template_file()) < 0))
        return 0;
    struct segment segment = {.bytes = SEG_BYTES, .same_pid_ns = true, .is_private = true};
    segment.base = mmap(NULL, SEG_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    MUST(segment.base != MAP_FAILED);
    edit(segment.base, data + 1, size - 1);
    if (data[0] & 1)
        seal_rules(segment.base);
    uint32_t owner = registry_join(&segment, 0, "fuzz", &resumed);
    uint32_t row = rows_get(&segment, &(struct row_key){.kind = ROW_DESTINATION, .name = "a"});
    rules(&segment, owner);
    if (row != ROW_NONE && owner)
        calls(&segment, owner, row);
    munmap(segment.base, SEG_BYTES);
    return 0;
}
