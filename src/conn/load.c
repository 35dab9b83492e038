/* SPDX-License-Identifier: MIT
 * Loading rules. */
#include "conn/load.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/compile.h"
#include "config/overlay.h"
#include "conn/host.h"
#include "real/raw.h"
#include "real/stack.h"
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

/* Where the rules came from is written behind them; they do without it where there is no room. */
static size_t add_origin(void *scratch, size_t bytes, const char *path, const struct raw_stat *st)
{
    char text[ERROR_TEXT];
    struct config_errors errors = {.text = text, .size = sizeof text};
    struct overlay overlay = {.origin = {.config_path = path,
                                         .inline_text = host.rules_env ? host.rules_env : "",
                                         .file_mtime_ns = st->mtime_ns,
                                         .file_bytes = st->size,
                                         .loaded_wall_ns = clock_wall_ns(),
                                         .pid = (uint32_t)raw_getpid(),
                                         .uid = geteuid(),
                                         .program = host.program}};
    size_t both = overlay_emit(scratch, &overlay, clock_now_ns(), scratch, SEG_RULES_BYTES, &errors);
    return both ? both : bytes;
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
        .bytes = add_origin(scratch, bytes, path ? path : "", &st),
        .config_path = path ? path : "",
        .file_mtime_ns = st.mtime_ns,
        .file_bytes = st.size,
        .owner = atomic_load(&host.owner),
    };
    if (publish_rules(&host.segment, &publication))
        announce(EVENT_LOADED);
    else
        host_log("configuration not published, every call passes through: no memory");
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
        stack_run(compile_and_publish, scratch);
        raw_munmap(scratch, SEG_RULES_BYTES);
    }
    publish_end(&host.segment, owner);
}

/* ---- the private copy ----------------------------------------------------------------------------- */

static size_t aligned(size_t bytes)
{
    return (bytes + LIVE_ALIGNMENT - 1) / LIVE_ALIGNMENT * LIVE_ALIGNMENT;
}

/* The tables behind a block of rules, as host_rule_rows() and its like find them: nothing is looked up yet. */
static void clear_tables(const struct rules *rules)
{
    memset((void *)host_rule_rows(rules), 0xff, rules->destinations * sizeof(uint32_t)); /* ROW_NONE */
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        memset((void *)host_endpoint_rows(rules, destination), 0xff, rules_places(destination) * sizeof(uint32_t));
    }
}

static bool usable(const struct rules *rules, size_t bytes)
{
    return rules_valid(rules, bytes) && rules->destinations <= SEG_ROWS;
}

/* A copy of what was published, each block of rules with its tables behind it:
 * struct rules_copy | rules | tables | live block, its own rules last | tables                  NULL without memory. */
static struct rules_copy *lay_out(const struct rules *published, const struct live *live)
{
    const struct rules *inner = live_rules(live);
    size_t rules_bytes = aligned(published->bytes), tables = aligned(host_tables_bytes(published->bytes));
    size_t live_bytes = live ? aligned(live->bytes) : 0, inner_tables = inner ? host_tables_bytes(inner->bytes) : 0;
    size_t room = sizeof(struct rules_copy) + rules_bytes + tables + live_bytes + inner_tables;
    struct rules_copy *copy = map(room);
    if (!copy)
        return NULL;
    copy->bytes = room;
    memcpy(copy + 1, published, published->bytes);
    if (live)
        copy->live = memcpy((uint8_t *)(copy + 1) + rules_bytes + tables, live, live->bytes);
    clear_tables((const struct rules *)(const void *)(copy + 1));
    if (inner)
        clear_tables(live_rules(copy->live));
    return copy;
}

struct taken {
    struct rules_copy *copy; /* NULL: there is no whole one */
    uint64_t generation;
};

/* What is published now. */
static void take_copy(void *result)
{
    struct taken *taken = result;
    void *block = map(SEG_RULES_BYTES); /* only what is written is ever there; and they may grow at this moment */
    if (!block)
        return;
    size_t copied = publish_copy(&host.segment, block, SEG_RULES_BYTES, &taken->generation);
    const struct rules *rules = block;
    if (copied && usable(rules, copied)) {
        const struct live *live = live_find(rules, copied);
        const struct rules *inner = live_rules(live);
        taken->copy = lay_out(rules, inner && inner->destinations > SEG_ROWS ? NULL : live);
    }
    raw_munmap(block, SEG_RULES_BYTES);
}

void load_refresh(void)
{
    struct taken taken = {0};
    if (!host_turn_take(&host.refreshing))
        return;
    stack_run(take_copy, &taken);
    struct rules_copy *copy = taken.copy;
    if (copy) {
        if (atomic_load(&host.rules) || (copy->live && copy->live->variants))
            atomic_store(&host.rules_move, 1);
        copies_replace(copy);
        atomic_store_explicit(&host.rules_generation, taken.generation, memory_order_release);
    } else if (publish_size(&host.segment) != 0) {
        atomic_fetch_add(&seg_header(&host.segment)->doubts, 1);
    }
    host_turn_end(&host.refreshing);
}
