/* SPDX-License-Identifier: MIT
 * Loading rules. */
#include "conn/load.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "config/compile.h"
#include "conn/host.h"
#include "real/raw.h"
#include "segment/events.h"
#include "segment/publish.h"
#include "segment/rows.h"

enum { ERROR_TEXT = 1024 };
#define PUBLISHER_WAIT_NS 500000000ull

static void *map(size_t bytes)
{
    return raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void announce(enum event_kind kind)
{
    struct event event = {.kind = kind, .row = UINT32_MAX, .program = host.program};
    event_write(&host.segment, &event);
}

static void compile_and_publish(void *scratch)
{
    char path_buf[SEGMENT_PATH];
    char text[ERROR_TEXT] = "";
    struct config_errors errors = {.text = text, .size = sizeof text};
    struct raw_stat st = {0};
    size_t bytes = 0;
    const char *path = config_find_file(host.config_env, host.xdg_env, host.home_env, path_buf, sizeof path_buf);
    struct config_input input = {.path = path, .inline_text = host.rules_env};
    if (path)
        raw_stat(path, &st);
    if (!config_compile(&input, scratch, SEG_RULES_BYTES, &errors, &bytes)) {
        publish_error(&host.segment, path ? path : "", text);
        announce(EVENT_CONFIG_ERROR);
        host_log("configuration not used, every call passes through: %s", text);
        return;
    }
    struct publication publication = {
        .block = scratch,
        .bytes = bytes,
        .config_path = path ? path : "",
        .file_mtime_ns = st.mtime_ns,
        .file_bytes = st.size,
        .owner = atomic_load(&host.owner),
    };
    publish_rules(&host.segment, &publication);
    announce(EVENT_LOADED);
}

void load_publish_if_missing(void)
{
    uint32_t owner = atomic_load(&host.owner);
    /* Somebody else compiles at this moment: a first call must not slip through before the rules are there. */
    uint64_t start_ns = clock_now_ns();
    while (publish_size(&host.segment) == 0 && !publish_begin(&host.segment, owner)) {
        if (clock_now_ns() - start_ns > PUBLISHER_WAIT_NS)
            return;
        raw_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (publish_size(&host.segment) != 0) {
        publish_end(&host.segment, owner);
        return;
    }
    void *scratch = map(SEG_RULES_BYTES);
    if (scratch) {
        compile_and_publish(scratch);
        raw_munmap(scratch, SEG_RULES_BYTES);
    }
    publish_end(&host.segment, owner);
}

void load_refresh(void)
{
    uint64_t generation = 0;
    if (!host_turn_take(&host.refreshing))
        return;
    size_t bytes = publish_size(&host.segment);
    size_t rows_at = (bytes + 15) / 16 * 16;
    size_t room = rows_at + host_tables_bytes(bytes);
    void *block = bytes ? map(room) : NULL;
    if (block) {
        size_t copied = publish_copy(&host.segment, block, bytes, &generation);
        const struct rules *rules = block;
        if (copied && rules_valid(block, copied) && rules->destinations <= SEG_ROWS) {
            memset((uint8_t *)block + rows_at, 0xff, rules->destinations * sizeof(uint32_t)); /* ROW_NONE */
            for (uint32_t i = 0; i < rules->destinations; i++) {
                const struct rule_destination *destination = rules_destination(rules, i);
                memset((void *)host_endpoint_rows(rules, destination), 0xff,
                       rules_places(destination) * sizeof(uint32_t));
            }
            atomic_store_explicit(&host.rules, rules, memory_order_release);
            atomic_store_explicit(&host.rules_generation, generation, memory_order_release);
        } else {
            raw_munmap(block, room);
            atomic_fetch_add(&seg_header(&host.segment)->doubts, 1);
        }
    }
    host_turn_end(&host.refreshing);
}
