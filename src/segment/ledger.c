/* SPDX-License-Identifier: MIT
 * Slots: see the protocol in the header. */
#include "segment/ledger.h"

#include <time.h>

#include "base/clock.h"
#include "real/raw.h"
#include "segment/heirs.h"
#include "segment/ledger_steps.h"
#include "segment/registry.h"

enum { SCAN = 64 };

uint32_t ledger_count(uint64_t account)
{
    return unpack_account(account).count;
}

bool ledger_held(uint64_t word, uint32_t *owner)
{
    *owner = owner_of(word);
    return state_of(word) == ENTRY_HELD || state_of(word) == ENTRY_ADMITTED;
}

bool ledger_queued(uint64_t word, uint32_t *owner)
{
    *owner = owner_of(word);
    return state_of(word) == ENTRY_QUEUED;
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
    atomic_store_explicit(&entry->expiry_ns, info->expiry_ns, memory_order_relaxed);
    atomic_store_explicit(&entry->priority, (uint32_t)info->priority, memory_order_relaxed);
    atomic_store_explicit(&entry->lent, 0, memory_order_relaxed);
}

/* When the owner of a queued entry last looked at its turn: even, in half milliseconds, and it wraps. It stands where
 * held entries say 1 for lent: a socket that is not connected yet is lent to nobody. */
static uint32_t look_word(uint64_t now_ns)
{
    return (uint32_t)(now_ns / (uint64_t)NS_PER_MS) << 1;
}

void ledger_look(const struct segment *segment, const struct slot *slot, uint64_t now_ns)
{
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) == slot->tag && state_of(word) == ENTRY_QUEUED)
        atomic_store_explicit(&entry->lent, look_word(now_ns), memory_order_relaxed);
}

/* Who does not look cannot take its turn: a program that began a connect and is busy elsewhere, or was stopped. Its
 * place is kept, but nobody waits for it. */
static bool asleep(const struct seg_entry *entry, uint64_t now_ns)
{
    enum { ASLEEP_MS = 300 }; /* waiters look every 50 ms */
    uint32_t since = look_word(now_ns) - atomic_load_explicit(&entry->lent, memory_order_relaxed);
    return since > ASLEEP_MS << 1 && since < UINT32_MAX / 2;
}

/* A place or a slot for a claimed entry. Who comes while others wait goes to the end of the line. */
static enum ledger_result enter(const struct segment *segment, struct seg_row *row, const struct slot_info *info,
                                const struct slot *slot)
{
    bool others_wait = info->places > 0 && ledger_count(atomic_load(&row->queue)) > 0;
    if (!others_wait && step_take(segment, row, ACCOUNT_SLOTS, slot, info->limit, ENTRY_PENDING))
        return LEDGER_OK;
    if (info->places <= 0)
        return LEDGER_FULL_ACCOUNT;
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    atomic_store(&entry->ticket, atomic_fetch_add(&row->queue_ticket, 1));
    atomic_store_explicit(&entry->lent, look_word(info->now_ns), memory_order_relaxed);
    return step_take(segment, row, ACCOUNT_QUEUE, slot, info->places, ENTRY_PENDING) ? LEDGER_QUEUED
                                                                                     : LEDGER_FULL_QUEUE;
}

enum ledger_result ledger_acquire(const struct segment *segment, uint32_t owner, const struct slot_info *info,
                                  struct slot *slot)
{
    struct seg_row *row = seg_row(segment, info->row);
    slot->entry = LEDGER_NONE;
    if (!claim_entry(segment, owner, slot) &&
        (!ledger_reap(segment, LEDGER_NONE, info->now_ns) || !claim_entry(segment, owner, slot)))
        return LEDGER_FULL_TABLE;
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    uint64_t word = pack_entry(owner, slot->tag, ENTRY_CLAIMED);
    describe(entry, info);
    /* Somebody who took us for dead may have freed the entry: then it is not ours to write. */
    if (!atomic_compare_exchange_strong(&entry->word, &word, pack_entry(owner, slot->tag, ENTRY_PENDING))) {
        slot->entry = LEDGER_NONE;
        return LEDGER_FULL_TABLE;
    }
    enum ledger_result result = enter(segment, row, info, slot);
    /* Before anybody is refused or made to wait, the dead give back. */
    if (result != LEDGER_OK && result != LEDGER_QUEUED && ledger_reap(segment, info->row, info->now_ns))
        result = enter(segment, row, info, slot);
    if (result == LEDGER_OK)
        heirs_clear(entry);
    if (result == LEDGER_OK || result == LEDGER_QUEUED)
        return result;
    word = pack_entry(owner, slot->tag, ENTRY_PENDING);
    atomic_compare_exchange_strong(&entry->word, &word, pack_entry(0, slot->tag, ENTRY_FREE));
    slot->entry = LEDGER_NONE;
    return result;
}

/* Whether `other` stands before `mine` in the line. */
static bool before(const struct seg_entry *other, const struct seg_entry *mine)
{
    uint32_t theirs = atomic_load(&other->priority), ours = atomic_load(&mine->priority);
    if (theirs != ours)
        return theirs > ours;
    return (int64_t)(atomic_load(&other->ticket) - atomic_load(&mine->ticket)) < 0;
}

static bool first_in_line(const struct segment *segment, uint32_t index, uint64_t now_ns)
{
    const struct seg_entry *mine = seg_entry(segment, index);
    uint32_t row = atomic_load(&mine->row);
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used);
    for (uint32_t i = 0; i < used && i < SEG_LEDGER; i++) {
        const struct seg_entry *other = seg_entry(segment, i);
        if (i != index && state_of(atomic_load(&other->word)) == ENTRY_QUEUED && atomic_load(&other->row) == row &&
            before(other, mine) && !asleep(other, now_ns))
            return false;
    }
    return true;
}

/* A waiter that slept far beyond its time (a stopped process) may be taken out of the line while it takes its slot.
 * Then the entry never held the slot that the account counts. */
static bool kept(const struct segment *segment, struct seg_row *row, const struct slot *slot)
{
    uint64_t entry_word = atomic_load(&seg_entry(segment, slot->entry)->word);
    if (tag_of(entry_word) == slot->tag && state_of(entry_word) != ENTRY_FREE)
        return true;
    uint64_t word = atomic_load(&row->account);
    for (;;) {
        step_help(segment, row, ACCOUNT_SLOTS, word);
        uint64_t next = pack_account(ledger_count(word) - 1, OPERATION_NONE, slot->entry, slot->tag);
        if (atomic_compare_exchange_strong(&row->account, &word, next))
            break;
    }
    step_wake(row);
    return false;
}

bool ledger_turn(const struct segment *segment, const struct slot *slot, int64_t limit, uint64_t now_ns)
{
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    uint32_t row_index = atomic_load(&entry->row);
    struct seg_row *row = seg_row(segment, row_index);
    ledger_reap(segment, row_index, now_ns);
    ledger_look(segment, slot, now_ns);
    if (!first_in_line(segment, slot->entry, now_ns) ||
        !step_take(segment, row, ACCOUNT_SLOTS, slot, limit, ENTRY_QUEUED) || !kept(segment, row, slot))
        return false;
    step_give_back(segment, ACCOUNT_QUEUE, slot->entry, slot->tag, ENTRY_ADMITTED);
    heirs_clear(entry);
    atomic_store_explicit(&entry->lent, 0, memory_order_relaxed);
    return true;
}

bool ledger_is_held(const struct segment *segment, const struct slot *slot)
{
    uint32_t owner;
    uint64_t word = atomic_load(&seg_entry(segment, slot->entry)->word);
    return tag_of(word) == slot->tag && ledger_held(word, &owner);
}

void ledger_leave(const struct segment *segment, struct slot *slot)
{
    step_give_back(segment, ACCOUNT_QUEUE, slot->entry, slot->tag, ENTRY_QUEUED);
    slot->entry = LEDGER_NONE;
}

void ledger_wait(const struct segment *segment, uint32_t row, uint64_t seen, uint64_t timeout_ns)
{
    enum { FUTEX_WAIT_SHARED = 0 };
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                                     .tv_nsec = (long)(timeout_ns % 1000000000u)};
    /* The low half of the word holds operation and tag: it changes with every operation. */
    raw_syscall(SYS_futex, (long)&seg_row(segment, row)->account, FUTEX_WAIT_SHARED, (long)(uint32_t)seen,
                (long)&timeout, 0, 0);
}
