/* SPDX-License-Identifier: MIT
 * The slot ledger: one entry for each open or waiting connection, and the bulkheads' accounts.
 *
 * The counts of a bulkhead must be exact although holders die at any instruction. So each account of a
 * row (slots taken, places in the queue) is one word that names its last operation, and whoever comes next
 * finishes that operation before starting another (helping, as in Herlihy's wait-free constructions):
 *
 *   account word    = count:17 | entry:16 | operation:2 | tag:29
 *   seg_entry.word  = owner:32 | tag:29 | state:3
 *
 *   take a slot     CLAIMED -> PENDING;  slots {count + 1, ACQUIRE};  PENDING -> HELD
 *   queue           CLAIMED -> PENDING;  queue {count + 1, ACQUIRE};  PENDING -> QUEUED
 *   one's turn      slots {count + 1, ACQUIRE};  QUEUED -> ADMITTED;  queue {count - 1, RELEASE};  ADMITTED -> HELD
 *   give up         queue {count - 1, RELEASE};  QUEUED -> FREE
 *   release         slots {count - 1, RELEASE};  HELD -> FREE
 *
 * The compare-and-swap of the account is the moment at which a slot or a place is taken or given back; the
 * step of the entry after it is done by the owner or by any helper. An entry's tag grows at each claim, so a
 * helper that was stopped for long changes nothing. A dead owner's entry is released by the reaper through
 * the same steps; so is a waiter that its thread left behind (cancelled), once its time is over. Any
 * thread; signal safe; no allocation.
 */
#ifndef RESIL_SEGMENT_LEDGER_H
#define RESIL_SEGMENT_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

enum entry_state { ENTRY_FREE, ENTRY_CLAIMED, ENTRY_PENDING, ENTRY_HELD, ENTRY_QUEUED, ENTRY_ADMITTED };

#define LEDGER_NONE UINT32_MAX

struct slot {
    uint32_t entry; /* LEDGER_NONE: no slot */
    uint32_t tag;
};

enum ledger_result { LEDGER_OK, LEDGER_QUEUED, LEDGER_FULL_ACCOUNT, LEDGER_FULL_QUEUE, LEDGER_FULL_TABLE };

/* What is written into the entry before it can be held. */
struct slot_info {
    uint32_t row;      /* destination */
    uint32_t endpoint; /* row of the endpoint */
    uint32_t fd;
    uint32_t pid;
    uint64_t cookie;
    uint64_t now_ns;
    int64_t limit;      /* slots of the row, <= 0: no limit */
    int64_t places;     /* of the queue, 0: none */
    uint64_t expiry_ns; /* of a place in the queue */
    uint64_t priority;  /* higher goes first */
};

/* ledger_acquire(segment, owner, info, slot): takes a slot of row info->row, or a place in its queue (LEDGER_QUEUED)
 * when all slots are taken or others wait already. When nothing is left, what dead owners hold is reclaimed first. */
enum ledger_result ledger_acquire(const struct segment *segment, uint32_t owner, const struct slot_info *info,
                                  struct slot *slot);

/* ledger_turn(segment, slot, limit, now_ns): whether it is the queued slot's turn: it is the first in the line, of
 * those who looked at theirs lately, and a slot is free. Then the slot is taken and the place given back. */
bool ledger_turn(const struct segment *segment, const struct slot *slot, int64_t limit, uint64_t now_ns);

/* ledger_look(segment, slot, now_ns): notes that the owner of a queued slot still waits; ledger_turn() does that, too.
 */
void ledger_look(const struct segment *segment, const struct slot *slot, uint64_t now_ns);

/* ledger_is_held(segment, slot): whether the slot was taken and is still ours. */
bool ledger_is_held(const struct segment *segment, const struct slot *slot);

/* ledger_leave(segment, slot): gives up waiting. */
void ledger_leave(const struct segment *segment, struct slot *slot);

/* ledger_wait(segment, row, seen, timeout_ns): sleeps until the row's account is not the word `seen`, at most
 * timeout_ns. One system call; not a cancellation point. */
void ledger_wait(const struct segment *segment, uint32_t row, uint64_t seen, uint64_t timeout_ns);

/* ledger_release(segment, owner, slot): the process `owner` does not hold the socket any more. The slot goes to a
 * living heir, or back when there is none; an heir just leaves. A slot that is none, or no longer ours, is ignored.
 *
 * One step of this is not repaired: an heir that is added between the owner's last look at the places and its release
 * (some 100 ns) holds a socket without a slot. */
void ledger_release(const struct segment *segment, uint32_t owner, struct slot *slot);

/* ledger_inherit(segment, slot, heir, now_ns): the process `heir` holds the socket as well. False when the slot is no
 * longer held, so that it has to be acquired anew. */
bool ledger_inherit(const struct segment *segment, const struct slot *slot, uint32_t heir, uint64_t now_ns);

/* ledger_next_of(segment, owner, index, slot): the next entry at or above *index that `owner` owns or is heir of, with
 * *index moved behind it; false at the end. What it finds in another state than held is reclaimed, not returned: for a
 * program that follows another in the same process by exec. */
bool ledger_next_of(const struct segment *segment, uint32_t owner, uint32_t *index, struct slot *slot);

/* ledger_reap(segment, row, now_ns): reclaims what dead owners left of one row, or of all (row == LEDGER_NONE). Returns
 * how many slots that were; those of a destination's endpoints go with its own, and are not counted again. */
uint32_t ledger_reap(const struct segment *segment, uint32_t row, uint64_t now_ns);

/* ledger_count(account): slots taken, by an account word. */
uint32_t ledger_count(uint64_t account);

/* Readers: whether the entry is held, and by whom. */
bool ledger_held(uint64_t word, uint32_t *owner);
bool ledger_queued(uint64_t word, uint32_t *owner);

#endif
