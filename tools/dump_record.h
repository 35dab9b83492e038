/* SPDX-License-Identifier: MIT
 * One structure of the segment as JSON fields, by the rows of dump_fields.tbl.h. */
#ifndef RESCTL_DUMP_RECORD_H
#define RESCTL_DUMP_RECORD_H

#include "json.h"
#include "segment/segment.h"

enum dump_structure {
    DUMP_seg_header,
    DUMP_seg_counter,
    DUMP_seg_row,
    DUMP_seg_process,
    DUMP_seg_entry,
    DUMP_seg_unmatched,
    DUMP_seg_lookup,
    DUMP_seg_event
};

/* dump_record(json, segment, structure, record): every field of it, into the object that is open. record may be a copy.
 */
void dump_record(struct json *json, const struct segment *segment, enum dump_structure structure, const void *record);

/* dump_hex(json, name, word): a packed word, "0x0123456789abcdef". */
void dump_hex(struct json *json, const char *name, uint64_t word);

#endif
