/* SPDX-License-Identifier: MIT
 * A segment as a few calls leave it, and edits of its bytes: what the segment harnesses begin with. */
#ifndef RESIL_TESTS_FUZZ_SEGMENT_H
#define RESIL_TESTS_FUZZ_SEGMENT_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32.h"
#include "config/compile.h"
#include "segment/events.h"
#include "segment/gate.h"
#include "segment/ledger.h"
#include "segment/publish.h"
#include "segment/registry.h"
#include "segment/rows.h"
#include "tests/fuzz/fuzz.h"

static const char template_rules[] = "[destination a]\nmatch = 127.0.0.1\nendpoints = 127.0.0.1:80, 127.0.0.1:81\n"
                                     "bulkhead.limit = 2\nbulkhead.queue = 2\nbreaker.ratio = 50%\n"
                                     "[destination b]\nmatch = *.example.com\nchaos = refuse 10%\n";

/* Two destinations, an endpoint, a process, three connections, events, an unmatched address. */
static inline void fill_template(struct segment *segment)
{
    static uint8_t block[SEG_RULES_BYTES] __attribute__((aligned(8)));
    char report[256];
    bool resumed;
    size_t bytes;
    struct config_errors errors = {.text = report, .size = sizeof report};
    struct config_input input = {.path = "/dev/null", .inline_text = template_rules};
    const uint8_t address[16] = {127, 0, 0, 1};
    uint32_t owner = registry_join(segment, 0, "fuzz", &resumed);
    MUST(owner && publish_begin(segment, owner) && config_compile(&input, block, sizeof block, &errors, &bytes));
    publish_rules(segment, &(struct publication){.block = block, .bytes = bytes, .config_path = "", .owner = owner});
    publish_end(segment, owner);
    uint32_t row = rows_get(segment, &(struct row_key){.kind = ROW_DESTINATION, .name = "a"});
    rows_get(segment, &(struct row_key){.kind = ROW_DESTINATION, .name = "b"});
    struct row_key key = {.kind = ROW_ENDPOINT, .parent = row, .family = 2, .port = 80, .name = "a"};
    memcpy(key.addr, address, sizeof address);
    uint32_t endpoint = rows_get(segment, &key);
    for (int i = 0; i < 3; i++) {
        struct slot slot;
        const struct slot_info info = {.row = row, .endpoint = endpoint, .limit = 2, .places = 2, .now_ns = 1};
        ledger_acquire(segment, owner, &info, &slot);
    }
    event_write(segment, &(struct event){.kind = EVENT_STATE, .row = row, .program = "fuzz"});
    unmatched_count(segment, 2, 443, address, 1);
}

/* The template in a file without a name. */
static inline int template_file(void)
{
    struct segment segment = {0};
    MUST(segment_private(&segment));
    fill_template(&segment);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    MUST(write(fd, segment.base, SEG_BYTES) == SEG_BYTES);
    return fd;
}

/* Edits: {offset in 4 bytes, length:8, bytes}. Half of the offsets go where the template has something. */
static inline void edit(uint8_t *base, const uint8_t *data, size_t size)
{
    static const uint32_t busy[] = {0,
                                    SEG_AT_DIRECTORY,
                                    SEG_AT_RULES + SEG_RULES_BYTES,
                                    SEG_AT_ROWS,
                                    SEG_AT_PROCESSES,
                                    SEG_AT_LEDGER,
                                    SEG_AT_EVENTS_LIFE,
                                    SEG_AT_UNMATCHED};
    while (size >= 6) {
        uint32_t at;
        memcpy(&at, data, sizeof at);
        at = at & 0x80000000u ? at % SEG_BYTES : busy[at >> 24 & 7] + (at & 0xfff);
        size_t length = data[4] < size - 5 ? data[4] : size - 5;
        for (size_t i = 0; i < length && at + i < SEG_BYTES; i++)
            base[at + i] = data[5 + i];
        data += 5 + length;
        size -= 5 + length;
    }
}

/* A checksum that fits, which no mutation would ever hit. */
static inline void seal_rules(uint8_t *base)
{
    struct rules *rules = (struct rules *)(void *)(base + SEG_AT_RULES + SEG_RULES_BYTES);
    if (rules->bytes >= sizeof *rules && rules->bytes <= SEG_RULES_BYTES)
        rules->crc = crc32_update(0, &rules->bytes, rules->bytes - offsetof(struct rules, bytes));
}

#endif
