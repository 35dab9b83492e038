/* SPDX-License-Identifier: MIT
 * The mapped segment: naming, creation, validation, attachment.
 *
 * Owns the mapping (never unmapped while the process lives: other threads may be inside) and nothing
 * else; the file descriptor is closed as soon as the file is mapped. Not signal safe, not for two
 * threads on one struct segment at once; uses raw system calls only and never allocates.
 */
#ifndef RESIL_SEGMENT_SEGMENT_H
#define RESIL_SEGMENT_SEGMENT_H

#include <stdbool.h>

#include "segment/layout.h"

enum { SEGMENT_PATH = 512, SEGMENT_ERROR = 256 };

/* In the name under which a segment is made. */
#define SEGMENT_UNFINISHED ".new-"

enum segment_result {
    SEGMENT_OK,
    SEGMENT_ABSENT,   /* no such file */
    SEGMENT_STALE,    /* ours, but of an earlier boot: may be replaced */
    SEGMENT_VERSION,  /* another major version */
    SEGMENT_UNUSABLE, /* foreign, damaged, wrong owner or mode, a link */
    SEGMENT_SYSTEM    /* a system call failed */
};

struct segment {
    uint8_t *base;
    uint64_t bytes;
    uint64_t dev, ino; /* of the file, to notice that the name vanished */
    uint32_t uid;      /* of the file's owner: root may read those of others */
    bool is_private;   /* anonymous memory: shared with nobody but forked children */
    bool sem_usable;   /* header->sem_id names a set in this IPC namespace */
    bool same_pid_ns;
    char path[SEGMENT_PATH];
    char error[SEGMENT_ERROR]; /* of the last failure, for people */
    int system_error;          /* its errno, 0 = not the system's; strerror() is nothing for the library */
};

/* segment_path(out, size, uid, config_path, rules_text): the name of the user's segment, by DESIGN: the plain
 * one, or with a hash when a file or inline rules were chosen through the environment (else NULL). */
void segment_path(char *out, size_t size, uint32_t uid, const char *config_path, const char *rules_text);

/* segment_open(segment, path, writable): maps an existing segment. On anything but SEGMENT_OK, error says why. */
enum segment_result segment_open(struct segment *segment, const char *path, bool writable);

/* segment_create(segment, path): makes a new one under a temporary name, links it into place (replace: over an
 * old one) and opens it. When somebody else was faster, opens theirs. */
enum segment_result segment_create(struct segment *segment, const char *path, bool replace);

/* segment_private(segment): anonymous memory with the same layout. False without memory. */
bool segment_private(struct segment *segment);

/* segment_protect_rules(segment, writable): the rules' pages, read-only in ordinary processes. False when they stay as
 * they are: the process has as many mappings as it may have. */
bool segment_protect_rules(struct segment *segment, bool writable);

/* segment_gone(segment): whether the path no longer names this file. */
bool segment_gone(const struct segment *segment);

static inline struct seg_header *seg_header(const struct segment *segment)
{
    return (struct seg_header *)(void *)segment->base;
}

/* Typed access; index must be below the capacity. */
#define SEG_ACCESS(name, type, at)                                                                                     \
    static inline type *name(const struct segment *segment, uint32_t index)                                            \
    {                                                                                                                  \
        return (type *)(void *)(segment->base + (at)) + index;                                                         \
    }
SEG_ACCESS(seg_counter, struct seg_counter, SEG_AT_DIRECTORY)
SEG_ACCESS(seg_row, struct seg_row, SEG_AT_ROWS)
SEG_ACCESS(seg_process, struct seg_process, SEG_AT_PROCESSES)
SEG_ACCESS(seg_entry, struct seg_entry, SEG_AT_LEDGER)
SEG_ACCESS(seg_unmatched, struct seg_unmatched, SEG_AT_UNMATCHED)
SEG_ACCESS(seg_event_life, struct seg_event, SEG_AT_EVENTS_LIFE)
SEG_ACCESS(seg_event_refusal, struct seg_event, SEG_AT_EVENTS_REFUSAL)
SEG_ACCESS(seg_lookup, struct seg_lookup, SEG_AT_LOOKUPS)
#undef SEG_ACCESS

static inline uint8_t *seg_rules_slot(const struct segment *segment, uint64_t generation)
{
    return segment->base + SEG_AT_RULES + generation % SEG_RULES_SLOTS * SEG_RULES_BYTES;
}

/* seg_raise(used, at_least): moves a high-water mark up. Any thread; signal safe. */
static inline void seg_raise(_Atomic uint32_t *used, uint32_t at_least)
{
    uint32_t seen = atomic_load(used);
    while (seen < at_least && !atomic_compare_exchange_weak(used, &seen, at_least))
        ;
}

/* seg_count(row, counter, amount): adds to a counter. Any thread; signal safe. */
static inline void seg_count(struct seg_row *row, unsigned counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&row->counter[counter], amount, memory_order_relaxed);
}

#endif
