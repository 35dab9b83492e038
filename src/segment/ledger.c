/* SPDX-License-Identifier: MIT
 * Slots: see the protocol in the header. */
#include "segment/ledger.h"

#include "segment/registry.h"
#include "tables/enums.h"

enum operation { OPERATION_NONE, OPERATION_ACQUIRE, OPERATION_RELEASE };

enum { TAG_BITS = 29, SCAN = 64 };
#define TAG_MASK ((1u << TAG_BITS) - 1)

struct account {
    uint32_t count, entry, operation, tag;
};

static struct account unpack_account(uint64_t word)
{
    return (struct account){
        .count = (uint32_t)(word >> 47),
        .entry = (uint32_t)(word >> 31) & 0xffff,
        .operation = (uint32_t)(word >> 29) & 3,
        .tag = (uint32_t)word & TAG_MASK,
    };
}

static uint64_t pack_account(uint32_t count, enum operation operation, uint32_t entry, uint32_t tag)
{
    return (uint64_t)count << 47 | (uint64_t)entry << 31 | (uint64_t)operation << 29 | tag;
}

static uint64_t pack_entry(uint32_t owner, uint32_t tag, enum entry_state state)
{
    return (uint64_t)owner << 32 | (uint64_t)tag << 3 | (uint64_t)state;
}

static enum entry_state state_of(uint64_t word)
{
    return (enum entry_state)(word & 7);
}

static uint32_t tag_of(uint64_t word)
{
    return (uint32_t)(word >> 3) & TAG_MASK;
}

static uint32_t owner_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

uint32_t ledger_count(uint64_t account)
{
    return unpack_account(account).count;
}

bool ledger_held(uint64_t word, uint32_t *owner)
{
    *owner = owner_of(word);
    return state_of(word) == ENTRY_HELD;
}

/* Finishes the operation that the account names. Every step is a compare-and-swap from the exact word that the
 * operation left, so that doing it twice, or late, does nothing. */
static void help(const struct segment *segment, struct seg_row *row, uint64_t account_word)
{
    struct account account = unpack_account(account_word);
    if (account.operation == OPERATION_NONE)
        return;
    struct seg_entry *entry = seg_entry(segment, account.entry);
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) != account.tag || atomic_load(&row->account) != account_word)
        return;
    if (account.operation == OPERATION_ACQUIRE && state_of(word) == ENTRY_PENDING)
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(owner_of(word), account.tag, ENTRY_HELD));
    else if (account.operation == OPERATION_RELEASE && state_of(word) == ENTRY_HELD)
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(0, account.tag, ENTRY_FREE));
}

static bool try_claim(const struct segment *segment, uint32_t index, uint32_t owner, struct slot *slot)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    if (state_of(word) != ENTRY_FREE)
        return false;
    uint32_t tag = (tag_of(word) + 1) & TAG_MASK;
    if (!atomic_compare_exchange_strong(&entry->word, &word, pack_entry(owner, tag, ENTRY_CLAIMED)))
        return false;
    *slot = (struct slot){index, tag};
    return true;
}

/* A free entry: a short look around a place of our own, then a new one, and the whole table only when it was full
 * once. So the table stays as short as the most connections that were ever open. */
static bool claim_entry(const struct segment *segment, uint32_t owner, struct slot *slot)
{
    struct seg_header *header = seg_header(segment);
    uint32_t used = atomic_load(&header->ledger_used);
    uint32_t start = used ? owner_index(owner) * 16 % used : 0;
    for (uint32_t i = 0; i < SCAN && i < used; i++)
        if (try_claim(segment, (start + i) % used, owner, slot))
            return true;
    while (used < SEG_LEDGER) {
        if (!atomic_compare_exchange_strong(&header->ledger_used, &used, used + 1))
            continue;
        if (try_claim(segment, used, owner, slot))
            return true;
        used = atomic_load(&header->ledger_used);
    }
    for (uint32_t i = 0; i < SEG_LEDGER; i++)
        if (try_claim(segment, i, owner, slot))
            return true;
    return false;
}

static void describe(struct seg_entry *entry, const struct slot_info *info)
{
    atomic_store_explicit(&entry->cookie, info->cookie, memory_order_relaxed);
    atomic_store_explicit(&entry->started_ns, info->now_ns, memory_order_relaxed);
    atomic_store_explicit(&entry->row, info->row, memory_order_relaxed);
    atomic_store_explicit(&entry->endpoint, info->endpoint, memory_order_relaxed);
    atomic_store_explicit(&entry->fd, info->fd, memory_order_relaxed);
    atomic_store_explicit(&entry->pid, info->pid, memory_order_relaxed);
}

/* One try to move the account; the account never passes the limit, not for a moment. */
static bool take(const struct segment *segment, struct seg_row *row, const struct slot *slot, int64_t limit)
{
    uint64_t word = atomic_load(&row->account);
    for (;;) {
        help(segment, row, word);
        uint32_t count = ledger_count(word);
        if (limit > 0 && count >= (uint64_t)limit)
            return false;
        uint64_t next = pack_account(count + 1, OPERATION_ACQUIRE, slot->entry, slot->tag);
        if (atomic_compare_exchange_strong(&row->account, &word, next)) {
            help(segment, row, next);
            return true;
        }
    }
}

enum ledger_result ledger_acquire(const struct segment *segment, uint32_t owner, const struct slot_info *info,
                                  int64_t limit, struct slot *slot)
{
    struct seg_row *row = seg_row(segment, info->row);
    slot->entry = LEDGER_NONE;
    if (!claim_entry(segment, owner, slot) &&
        (!ledger_reap(segment, LEDGER_NONE) || !claim_entry(segment, owner, slot)))
        return LEDGER_FULL_TABLE;
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    describe(entry, info);
    atomic_store(&entry->word, pack_entry(owner, slot->tag, ENTRY_PENDING));
    if (take(segment, row, slot, limit))
        return LEDGER_OK;
    if (ledger_reap(segment, info->row) && take(segment, row, slot, limit))
        return LEDGER_OK;
    atomic_store(&entry->word, pack_entry(0, slot->tag, ENTRY_FREE));
    slot->entry = LEDGER_NONE;
    return LEDGER_FULL_ACCOUNT;
}

/* Releases the slot unless somebody else did. True when it was us. */
static bool give_back(const struct segment *segment, uint32_t index, uint32_t tag)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    if (row_index >= SEG_ROWS)
        return false;
    struct seg_row *row = seg_row(segment, row_index);
    uint64_t word = atomic_load(&row->account);
    for (;;) {
        help(segment, row, word);
        uint64_t entry_word = atomic_load(&entry->word);
        if (state_of(entry_word) != ENTRY_HELD || tag_of(entry_word) != tag)
            return false;
        uint32_t count = ledger_count(word);
        uint64_t next = pack_account(count ? count - 1 : 0, OPERATION_RELEASE, index, tag);
        if (atomic_compare_exchange_strong(&row->account, &word, next)) {
            help(segment, row, next);
            return true;
        }
    }
}

void ledger_release(const struct segment *segment, struct slot *slot)
{
    if (slot->entry < SEG_LEDGER)
        give_back(segment, slot->entry, slot->tag);
    slot->entry = LEDGER_NONE;
}

/* A dead owner's entry. CLAIMED and PENDING never counted, unless the account names them: help() tells. */
static uint32_t reclaim(const struct segment *segment, uint32_t index)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    uint64_t word = atomic_load(&entry->word);
    if (state_of(word) == ENTRY_PENDING && row_index < SEG_ROWS) {
        struct seg_row *row = seg_row(segment, row_index);
        help(segment, row, atomic_load(&row->account));
        word = atomic_load(&entry->word);
    }
    if (state_of(word) == ENTRY_HELD)
        return give_back(segment, index, tag_of(word));
    if (state_of(word) == ENTRY_CLAIMED || state_of(word) == ENTRY_PENDING)
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(0, tag_of(word), ENTRY_FREE));
    return 0;
}

uint32_t ledger_reap(const struct segment *segment, uint32_t row)
{
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used);
    uint32_t reclaimed = 0;
    uint32_t last_owner = 0;
    bool last_alive = true;
    for (uint32_t i = 0; i < used && i < SEG_LEDGER; i++) {
        struct seg_entry *entry = seg_entry(segment, i);
        uint64_t word = atomic_load(&entry->word);
        if (state_of(word) == ENTRY_FREE || (row != LEDGER_NONE && atomic_load(&entry->row) != row))
            continue;
        /* Entries of one process mostly stand together: ask the kernel once for each run of them. */
        if (owner_of(word) != last_owner) {
            last_owner = owner_of(word);
            last_alive = registry_alive(segment, last_owner);
            if (!last_alive)
                registry_bury(segment, last_owner);
        }
        if (!last_alive)
            reclaimed += reclaim(segment, i);
    }
    if (reclaimed && row != LEDGER_NONE)
        seg_count(seg_row(segment, row), COUNTER_reclaimed, reclaimed);
    return reclaimed;
}
