/* SPDX-License-Identifier: MIT
 * Publishing compiled rules in the segment, and copying them out.
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
    const void *block; /* compiled rules, checked by the caller */
    size_t bytes;
    const char *config_path; /* "" when built in */
    uint64_t file_mtime_ns, file_bytes;
    uint32_t owner;
};

/* publish_begin(segment, owner): takes the publisher's word. False when somebody alive has it. */
bool publish_begin(const struct segment *segment, uint32_t owner);
/* publish_rules(segment, publication): between begin and end. Maps the rules' pages writable meanwhile. */
void publish_rules(struct segment *segment, const struct publication *publication);
/* publish_error(segment, config_path, text): between begin and end: there are no rules, and this is why. */
void publish_error(struct segment *segment, const char *config_path, const char *text);
void publish_end(const struct segment *segment, uint32_t owner);

/* publish_copy(segment, out, size, generation): the current rules into out. Returns the bytes copied, 0 when there are
 * none or no whole copy could be had. The caller validates the block. */
size_t publish_copy(const struct segment *segment, void *out, size_t size, uint64_t *generation);

/* publish_size(segment): bytes of the current rules by their own header, 0 when there are none. */
size_t publish_size(const struct segment *segment);

#endif
