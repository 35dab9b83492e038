/* SPDX-License-Identifier: MIT
 * Publishing compiled rules, with what is laid over them (config/live.h), in the segment, and copying them out.
 *
 * Two slots rotate: the publisher fills the one that is not current and then moves the generation. A
 * reader copies, checks the CRC and that the generation did not move by two meanwhile, and keeps its last
 * good copy otherwise. One publisher at a time, by an owner word that a dead owner loses.
 */
#ifndef RESIL_SEGMENT_PUBLISH_H
#define RESIL_SEGMENT_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "segment/segment.h"

struct publication {
    const void *block;       /* compiled rules and the live block behind them, checked by the caller */
    size_t bytes;            /* of both */
    bool keeps_source;       /* the rules are those that were current: only what is laid over them changed */
    const char *config_path; /* "" when built in */
    uint64_t file_mtime_ns, file_bytes;
    uint32_t owner;
};

/* publish_begin(segment, owner): takes the publisher's word. False when somebody alive has it. */
bool publish_begin(const struct segment *segment, uint32_t owner);
/* publish_rules(segment, publication): between begin and end. Maps the rules' pages writable meanwhile; false, and
 * nothing has changed, when that fails. */
bool publish_rules(struct segment *segment, const struct publication *publication);
/* publish_error(segment, config_path, text): between begin and end: this file could not be used, and this is why. Rules
 * that are there stay. */
void publish_error(struct segment *segment, const char *config_path, const char *text);
void publish_end(const struct segment *segment, uint32_t owner);

/* publish_copy(segment, out, size, generation): the current rules, and what is laid over them, into out. Returns the
 * bytes copied, 0 when there
 * are none or no whole copy could be had. The caller validates the block. */
size_t publish_copy(const struct segment *segment, void *out, size_t size, uint64_t *generation);

/* publish_size(segment): bytes of both by their own headers, 0 when there are no rules. */
size_t publish_size(const struct segment *segment);

#endif
