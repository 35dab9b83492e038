/* SPDX-License-Identifier: MIT
 * Writing what is laid over the rules (config/live.h): compiled rules and a list of values set by hand or found by
 * discovery -> the live block that stands behind them.
 *
 * The values go through the model, so that they are judged like lines of a file, with the same messages. Maps memory
 * (config/arena.h), so not signal safe; otherwise any thread.
 */
#ifndef RESIL_CONFIG_OVERLAY_H
#define RESIL_CONFIG_OVERLAY_H

#include "config/compile.h"
#include "config/live.h"

/* One value. Of several for one key the last that still stands wins; what discovery found yields to a person. */
struct overlay_value {
    const char *destination;
    int key;
    const char *value; /* as in a file */
    enum live_source source;
    uint64_t until_ns, set_wall_ns; /* LIVE_FOREVER: until it is taken away */
    uint32_t uid, pid;
    const char *program;
};

/* Where the rules came from. */
struct overlay_origin {
    const char *config_path; /* "" when built in */
    const char *inline_text; /* "" when there was none */
    uint64_t file_mtime_ns, file_bytes;
    uint64_t loaded_wall_ns;
    uint32_t pid, uid;
    const char *program;
};

struct overlay {
    struct overlay_origin origin;
    const struct overlay_value *value;
    uint32_t values; /* at most LIVE_OVERRIDES_MAX */
};

/* overlay_find(rules, name): the index of a destination of valid rules, or -1. */
int overlay_find(const struct rules *rules, const char *name);

/* overlay_emit(rules, overlay, now_ns, block, size, errors): writes the live block of valid rules to block + live_at();
 * the rules themselves stand at block already. Values that have expired at now_ns are left out, those of destinations
 * that do not exist are errors. Returns the bytes of both, 0 after an error. */
size_t overlay_emit(const struct rules *rules, const struct overlay *overlay, uint64_t now_ns, void *block, size_t size,
                    struct config_errors *errors);

#endif
