/* SPDX-License-Identifier: MIT
 * The heirs of a slot: processes other than its owner that hold the same socket, because they were forked from one
 * that did. A slot lives while its owner or an heir does; the ledger hands it over.
 *
 * A held entry has four places. An heir writes itself into a free one, or into that of a dead one, and takes itself
 * out; whoever hands the slot over takes the new owner out. A fifth living heir finds no place and is not known: if all
 * others go before it, the slot goes with them. Any thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_HEIRS_H
#define RESIL_SEGMENT_HEIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

enum { HEIRS = 4 };

/* heirs_at(entry, place): the owner word that stands there, 0 when nobody does. */
uint32_t heirs_at(const struct seg_entry *entry, unsigned place);

/* heirs_clear(entry): the owner of an entry that has just become held. */
void heirs_clear(struct seg_entry *entry);

/* heirs_add(segment, entry, heir, now_ns): false when every place is taken by a living one. */
bool heirs_add(const struct segment *segment, struct seg_entry *entry, uint32_t heir, uint64_t now_ns);

/* heirs_drop(entry, heir): true when it stood there. */
bool heirs_drop(struct seg_entry *entry, uint32_t heir);

/* heirs_find(segment, entry, except): a living heir other than `except`, or 0. Two loads when there is none. */
uint32_t heirs_find(const struct segment *segment, const struct seg_entry *entry, uint32_t except);

#endif
