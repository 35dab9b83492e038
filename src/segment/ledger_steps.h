/* SPDX-License-Identifier: MIT
 * The words of the ledger's protocol (segment/ledger.h), and its steps on one account. Only for segment/ledger.c,
 * segment/reaper.c, and resctl dump, which shows the words. Any thread; signal safe; no allocation. */
#ifndef RESIL_SEGMENT_LEDGER_STEPS_H
#define RESIL_SEGMENT_LEDGER_STEPS_H

#include "segment/ledger.h"

enum account_kind { ACCOUNT_SLOTS, ACCOUNT_QUEUE };

enum operation { OPERATION_NONE, OPERATION_ACQUIRE, OPERATION_RELEASE };

enum { TAG_BITS = 29 };
#define TAG_MASK ((1u << TAG_BITS) - 1)

struct account {
    uint32_t count, entry, operation, tag;
};

static inline struct account unpack_account(uint64_t word)
{
    return (struct account){
        .count = (uint32_t)(word >> 47),
        .entry = (uint32_t)(word >> 31) & 0xffff,
        .operation = (uint32_t)(word >> 29) & 3,
        .tag = (uint32_t)word & TAG_MASK,
    };
}

static inline uint64_t pack_account(uint32_t count, enum operation operation, uint32_t entry, uint32_t tag)
{
    return (uint64_t)count << 47 | (uint64_t)entry << 31 | (uint64_t)operation << 29 | tag;
}

static inline uint64_t pack_entry(uint32_t owner, uint32_t tag, enum entry_state state)
{
    return (uint64_t)owner << 32 | (uint64_t)tag << 3 | (uint64_t)state;
}

static inline enum entry_state state_of(uint64_t word)
{
    return (enum entry_state)(word & 7);
}

static inline uint32_t tag_of(uint64_t word)
{
    return (uint32_t)(word >> 3) & TAG_MASK;
}

static inline uint32_t owner_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

_Atomic uint64_t *step_word(struct seg_row *row, enum account_kind kind);

/* step_help(segment, row, kind, account_word): finishes the operation that the account names. Every step is a
 * compare-and-swap from the exact word that the operation left, so that doing it twice, or late, does nothing. */
void step_help(const struct segment *segment, struct seg_row *row, enum account_kind kind, uint64_t account_word);

/* step_take(segment, row, kind, slot, limit, only_if): one try to move an account up; it never passes the limit, not
 * for a moment. only_if: the state in which the entry must still be (a reaper may have taken it). */
bool step_take(const struct segment *segment, struct seg_row *row, enum account_kind kind, const struct slot *slot,
               int64_t limit, enum entry_state only_if);

/* step_give_back(segment, kind, index, tag, from): moves an account down for an entry in state `from`, unless somebody
 * else did. True when it was us. */
bool step_give_back(const struct segment *segment, enum account_kind kind, uint32_t index, uint32_t tag,
                    enum entry_state from);

/* step_wake(row): wakes who waits in the row's queue: a slot may be free. */
void step_wake(struct seg_row *row);

#endif
