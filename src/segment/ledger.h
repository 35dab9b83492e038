/* SPDX-License-Identifier: MIT
 * The slot ledger: one entry for each open connection, and the bulkheads' accounts.
 *
 * The count of a bulkhead must be exact although holders die at any instruction. So the account of a
 * row is one word that names its last operation, and whoever comes next finishes that operation
 * before starting another (helping, as in Herlihy's wait-free constructions):
 *
 *   seg_row.account = count:17 | entry:16 | operation:2 | tag:29
 *   seg_entry.word  = owner:32 | tag:29 | state:3
 *
 *   acquire   FREE -> CLAIMED -> PENDING; account {count + 1, entry, ACQUIRE, tag}; PENDING -> HELD
 *   release   account {count - 1, entry, RELEASE, tag}; HELD -> FREE
 *
 * The compare-and-swap of the account is the moment at which a slot is taken or given back; the step of
 * the entry after it is done by the owner or by any helper. An entry's tag grows at each claim, so a
 * helper that was stopped for long changes nothing. A dead owner's entry is released by the reaper
 * through the same two steps. Any thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_LEDGER_H
#define RESIL_SEGMENT_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

enum entry_state { ENTRY_FREE, ENTRY_CLAIMED, ENTRY_PENDING, ENTRY_HELD };

#define LEDGER_NONE UINT32_MAX

struct slot {
    uint32_t entry; /* LEDGER_NONE: no slot */
    uint32_t tag;
};

enum ledger_result { LEDGER_OK, LEDGER_FULL_ACCOUNT, LEDGER_FULL_TABLE };

/* What is written into the entry before it can be held. */
struct slot_info {
    uint32_t row;      /* destination */
    uint32_t endpoint; /* row of the endpoint */
    uint32_t fd;
    uint32_t pid;
    uint64_t cookie;
    uint64_t now_ns;
};

/* ledger_acquire(segment, owner, info, limit, slot): takes a slot of row info->row unless it has limit already
 * (limit <= 0: no limit). When the account is full, slots of dead owners are reclaimed first. */
enum ledger_result ledger_acquire(const struct segment *segment, uint32_t owner, const struct slot_info *info,
                                  int64_t limit, struct slot *slot);

/* ledger_release(segment, slot): gives it back; a slot that is none, or no longer ours, is ignored. */
void ledger_release(const struct segment *segment, struct slot *slot);

/* ledger_reap(segment, row): reclaims what dead owners left of one row, or of all (row == LEDGER_NONE). Returns how
 * many slots that were. */
uint32_t ledger_reap(const struct segment *segment, uint32_t row);

/* ledger_count(account): slots taken, by an account word. */
uint32_t ledger_count(uint64_t account);

/* Readers: whether the entry is held, and by whom. */
bool ledger_held(uint64_t word, uint32_t *owner);

#endif
