/* SPDX-License-Identifier: MIT
 * What is laid over the rules while programs run, and where the rules came from: a block of bytes that stands behind
 * the block of rules in the same slot of the segment, so that one generation covers both.
 *
 *   struct live | struct live_variant[variants] | struct live_override[overrides] | texts | a block of rules
 *
 * An override is what somebody set: a key of a destination, until when, and who. A variant is what follows from them: a
 * whole destination of the inner block of rules that stands for one of the outer block until a time. Who matches asks
 * live_row() with the clock at hand; so an override ends by itself, exactly, and nobody has to publish for it.
 *
 * The bytes are hostile until live_find() has accepted them. Pure; any thread; signal safe; never allocates.
 */
#ifndef RESIL_CONFIG_LIVE_H
#define RESIL_CONFIG_LIVE_H

#include "config/rules.h"

#define LIVE_MAGIC   0x4556494cu /* "LIVE" */
#define LIVE_FOREVER UINT64_MAX

enum { LIVE_OVERRIDES_MAX = 1024, LIVE_PROGRAM = 16, LIVE_ALIGNMENT = 16 };

/* Who laid it: LIVE_SET by a person (resctl set, resctl chaos), LIVE_FOUND by discovery, which a person overrules. */
enum live_source { LIVE_FOUND, LIVE_SET, LIVE_SOURCES };

struct live {
    uint32_t magic;
    uint32_t crc; /* crc32 of everything after this word, `bytes` long in all */
    uint32_t bytes;
    uint32_t base_crc; /* of the rules before it: what another writer left behind other rules means nothing */
    uint32_t variants, variants_at;
    uint32_t overrides, overrides_at;
    uint32_t rules_at; /* the inner block of rules, the last part; 0 = there are no variants */
    uint32_t texts_at, texts_bytes;
    uint32_t config_path; /* texts: the file of the rules, "" when built in */
    uint32_t inline_text; /* the text on top of it (RESIL_RULES), "" when there was none */
    uint32_t loaded_pid, loaded_uid;
    uint32_t reserved;
    uint64_t loaded_wall_ns; /* when the outer rules were compiled */
    uint64_t file_mtime_ns, file_bytes;
    char loaded_by[LIVE_PROGRAM];
};

/* By destination; those of one by their end, the first one before the others. */
struct live_variant {
    uint32_t destination;   /* index in the outer rules */
    uint32_t row;           /* index in the inner ones */
    uint64_t until_ns;      /* CLOCK_MONOTONIC; LIVE_FOREVER */
    uint64_t chaos_wall_ns; /* when its faults were set, 0 = they are those of the outer rules */
};

struct live_override {
    uint32_t destination; /* texts: its name */
    uint32_t value;       /* texts: as it was written */
    uint32_t key;
    uint32_t source; /* enum live_source */
    uint64_t until_ns;
    uint64_t set_wall_ns;
    uint32_t uid, pid;
    char program[LIVE_PROGRAM];
};

_Static_assert(sizeof(struct live) == 104, "live");
_Static_assert(sizeof(struct live_variant) == 24, "live_variant");
_Static_assert(sizeof(struct live_override) == 56, "live_override");

/* live_at(rules): where the live block begins, in bytes from the beginning of the rules. */
size_t live_at(const struct rules *rules);

/* live_find(rules, bytes): the live block behind valid rules, bytes of both in all; NULL when there is none that is
 * whole and belongs to these rules. */
const struct live *live_find(const struct rules *rules, size_t bytes);

/* live_row(live, destination, now_ns): index in live_rules() of what stands for a destination of the outer rules at
 * this moment, or -1: it stands for itself. live may be NULL. */
int live_row(const struct live *live, uint32_t destination, uint64_t now_ns);

/* live_rules(live): the inner block, NULL when live is or when there are no variants. */
const struct rules *live_rules(const struct live *live);

const struct live_variant *live_variant(const struct live *live, uint32_t index);
const struct live_override *live_override(const struct live *live, uint32_t index);
const char *live_text(const struct live *live, uint32_t offset);

#endif
