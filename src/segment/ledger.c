/* SPDX-License-Identifier: MIT
 * Slots: see the protocol in the header. */
#include "segment/ledger.h"

#include <time.h>

#include "real/raw.h"
#include "segment/heirs.h"
#include "segment/registry.h"
#include "tables/enums.h"

enum account_kind { ACCOUNT_SLOTS, ACCOUNT_QUEUE };

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
    return state_of(word) == ENTRY_HELD || state_of(word) == ENTRY_ADMITTED;
}

bool ledger_queued(uint64_t word, uint32_t *owner)
{
    *owner = owner_of(word);
    return state_of(word) == ENTRY_QUEUED;
}

static _Atomic uint64_t *word_of(struct seg_row *row, enum account_kind kind)
{
    return kind == ACCOUNT_SLOTS ? &row->account : &row->queue;
}

/* What an operation of an account makes of an entry's state; the state itself when it is done already. */
static enum entry_state finished(enum account_kind kind, uint32_t operation, enum entry_state state)
{
    bool acquire = operation == OPERATION_ACQUIRE;
    if (kind == ACCOUNT_SLOTS && acquire)
        return state == ENTRY_PENDING ? ENTRY_HELD : state == ENTRY_QUEUED ? ENTRY_ADMITTED : state;
    if (kind == ACCOUNT_SLOTS)
        return state == ENTRY_HELD ? ENTRY_FREE : state;
    if (acquire)
        return state == ENTRY_PENDING ? ENTRY_QUEUED : state;
    return state == ENTRY_QUEUED ? ENTRY_FREE : state == ENTRY_ADMITTED ? ENTRY_HELD : state;
}

/* Finishes the operation that the account names. Every step is a compare-and-swap from the exact word that the
 * operation left, so that doing it twice, or late, does nothing. */
static void help(const struct segment *segment, struct seg_row *row, enum account_kind kind, uint64_t account_word)
{
    struct account account = unpack_account(account_word);
    if (account.operation == OPERATION_NONE)
        return;
    struct seg_entry *entry = seg_entry(segment, account.entry);
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) != account.tag || atomic_load(word_of(row, kind)) != account_word)
        return;
    enum entry_state next = finished(kind, account.operation, state_of(word));
    uint32_t owner = next == ENTRY_FREE ? 0 : owner_of(word);
    if (next != state_of(word))
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(owner, account.tag, next));
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

/* One try to move an account up; it never passes the limit, not for a moment. only_if: the state in which the entry
 * must still be (a reaper may have taken it). */
static bool take(const struct segment *segment, struct seg_row *row, enum account_kind kind, const struct slot *slot,
                 int64_t limit, enum entry_state only_if)
{
    _Atomic uint64_t *account = word_of(row, kind);
    uint64_t word = atomic_load(account);
    for (;;) {
        help(segment, row, kind, word);
        uint64_t entry_word = atomic_load(&seg_entry(segment, slot->entry)->word);
        uint32_t count = ledger_count(word);
        if ((limit > 0 && count >= (uint64_t)limit) || state_of(entry_word) != only_if ||
            tag_of(entry_word) != slot->tag)
            return false;
        uint64_t next = pack_account(count + 1, OPERATION_ACQUIRE, slot->entry, slot->tag);
        if (atomic_compare_exchange_strong(account, &word, next)) {
            help(segment, row, kind, next);
            return true;
        }
    }
}

static void wake_waiters(struct seg_row *row)
{
    enum { FUTEX_WAKE_SHARED = 1 };
    if (ledger_count(atomic_load_explicit(&row->queue, memory_order_relaxed)) > 0)
        raw_syscall(SYS_futex, (long)&row->account, FUTEX_WAKE_SHARED, INT32_MAX, 0, 0, 0);
}

/* Moves an account down for an entry in state `from`, unless somebody else did. True when it was us. */
static bool give_back(const struct segment *segment, enum account_kind kind, uint32_t index, uint32_t tag,
                      enum entry_state from)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    if (row_index >= SEG_ROWS)
        return false;
    struct seg_row *row = seg_row(segment, row_index);
    _Atomic uint64_t *account = word_of(row, kind);
    uint64_t word = atomic_load(account);
    for (;;) {
        help(segment, row, kind, word);
        uint64_t entry_word = atomic_load(&entry->word);
        if (state_of(entry_word) != from || tag_of(entry_word) != tag)
            return false;
        uint32_t count = ledger_count(word);
        uint64_t next = pack_account(count ? count - 1 : 0, OPERATION_RELEASE, index, tag);
        if (atomic_compare_exchange_strong(account, &word, next)) {
            help(segment, row, kind, next);
            wake_waiters(row);
            return true;
        }
    }
}

/* A place or a slot for a claimed entry. Who comes while others wait goes to the end of the line. */
static enum ledger_result enter(const struct segment *segment, struct seg_row *row, const struct slot_info *info,
                                const struct slot *slot)
{
    bool others_wait = info->places > 0 && ledger_count(atomic_load(&row->queue)) > 0;
    if (!others_wait && take(segment, row, ACCOUNT_SLOTS, slot, info->limit, ENTRY_PENDING))
        return LEDGER_OK;
    if (info->places <= 0)
        return LEDGER_FULL_ACCOUNT;
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    atomic_store(&entry->ticket, atomic_fetch_add(&row->queue_ticket, 1));
    return take(segment, row, ACCOUNT_QUEUE, slot, info->places, ENTRY_PENDING) ? LEDGER_QUEUED : LEDGER_FULL_QUEUE;
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

static bool first_in_line(const struct segment *segment, uint32_t index)
{
    const struct seg_entry *mine = seg_entry(segment, index);
    uint32_t row = atomic_load(&mine->row);
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used);
    for (uint32_t i = 0; i < used && i < SEG_LEDGER; i++) {
        const struct seg_entry *other = seg_entry(segment, i);
        if (i != index && state_of(atomic_load(&other->word)) == ENTRY_QUEUED && atomic_load(&other->row) == row &&
            before(other, mine))
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
        help(segment, row, ACCOUNT_SLOTS, word);
        uint64_t next = pack_account(ledger_count(word) - 1, OPERATION_NONE, slot->entry, slot->tag);
        if (atomic_compare_exchange_strong(&row->account, &word, next))
            break;
    }
    wake_waiters(row);
    return false;
}

bool ledger_turn(const struct segment *segment, const struct slot *slot, int64_t limit, uint64_t now_ns)
{
    uint32_t row_index = atomic_load(&seg_entry(segment, slot->entry)->row);
    struct seg_row *row = seg_row(segment, row_index);
    ledger_reap(segment, row_index, now_ns);
    if (!first_in_line(segment, slot->entry) || !take(segment, row, ACCOUNT_SLOTS, slot, limit, ENTRY_QUEUED) ||
        !kept(segment, row, slot))
        return false;
    give_back(segment, ACCOUNT_QUEUE, slot->entry, slot->tag, ENTRY_ADMITTED);
    heirs_clear(seg_entry(segment, slot->entry));
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
    give_back(segment, ACCOUNT_QUEUE, slot->entry, slot->tag, ENTRY_QUEUED);
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

static bool is_held(const struct segment *segment, const struct slot *slot, uint64_t *word)
{
    *word = atomic_load(&seg_entry(segment, slot->entry)->word);
    return state_of(*word) == ENTRY_HELD && tag_of(*word) == slot->tag;
}

/* An heir leaves: true when the slot became its own at that moment. */
static bool leave_as_heir(const struct segment *segment, const struct slot *slot, uint32_t heir)
{
    uint64_t word;
    heirs_drop(seg_entry(segment, slot->entry), heir);
    return is_held(segment, slot, &word) && owner_of(word) == heir;
}

/* The owner's slot goes to an heir. An heir that left at the same moment may have looked before it was the owner: then
 * its part is done here. Whoever of the two is late finds nothing left to do. */
static bool hand_over(const struct segment *segment, const struct slot *slot, uint64_t word, uint32_t *owner)
{
    struct seg_entry *entry = seg_entry(segment, slot->entry);
    uint32_t heir = heirs_find(segment, entry, *owner);
    if (heir == 0)
        return false;
    if (atomic_compare_exchange_strong(&entry->word, &word, pack_entry(heir, slot->tag, ENTRY_HELD)))
        *owner = heirs_drop(entry, heir) ? 0 : heir;
    return true;
}

/* True when the slot went back to its account. */
static bool leave(const struct segment *segment, const struct slot *slot, uint32_t owner)
{
    uint64_t word;
    while (owner != 0 && is_held(segment, slot, &word)) {
        if (owner_of(word) != owner && !leave_as_heir(segment, slot, owner))
            return false;
        if (owner_of(word) == owner && !hand_over(segment, slot, word, &owner))
            return give_back(segment, ACCOUNT_SLOTS, slot->entry, slot->tag, ENTRY_HELD);
    }
    return false;
}

void ledger_release(const struct segment *segment, uint32_t owner, struct slot *slot)
{
    const struct slot left = *slot;
    slot->entry = LEDGER_NONE;
    if (left.entry < SEG_LEDGER)
        leave(segment, &left, owner);
}

bool ledger_inherit(const struct segment *segment, const struct slot *slot, uint32_t heir, uint64_t now_ns)
{
    uint64_t word;
    if (slot->entry >= SEG_LEDGER || !is_held(segment, slot, &word))
        return false;
    heirs_add(segment, seg_entry(segment, slot->entry), heir, now_ns);
    if (is_held(segment, slot, &word))
        return true;
    heirs_drop(seg_entry(segment, slot->entry), heir);
    return false;
}

/* A dead owner's entry: the claim that was judged, by its tag. CLAIMED and PENDING never counted, unless an account
 * names them: help() tells. */
static uint32_t reclaim(const struct segment *segment, uint32_t index, uint32_t tag)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    if (row_index < SEG_ROWS) {
        struct seg_row *row = seg_row(segment, row_index);
        help(segment, row, ACCOUNT_SLOTS, atomic_load(&row->account));
        help(segment, row, ACCOUNT_QUEUE, atomic_load(&row->queue));
    }
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) != tag)
        return 0; /* another reaper was faster, and somebody alive is here now */
    switch (state_of(word)) {
    case ENTRY_QUEUED:
        return give_back(segment, ACCOUNT_QUEUE, index, tag, ENTRY_QUEUED);
    case ENTRY_ADMITTED:
        give_back(segment, ACCOUNT_QUEUE, index, tag, ENTRY_ADMITTED);
        return give_back(segment, ACCOUNT_SLOTS, index, tag, ENTRY_HELD);
    case ENTRY_HELD:
        return leave(segment, &(struct slot){index, tag}, owner_of(word));
    case ENTRY_CLAIMED:
    case ENTRY_PENDING:
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(0, tag, ENTRY_FREE));
        break;
    case ENTRY_FREE:
        break;
    }
    return 0;
}

/* A waiter's thread looks at its turn every few milliseconds; one that did not leave long after its time is gone. */
static bool overdue(const struct seg_entry *entry, uint64_t word, uint64_t now_ns)
{
    enum { GRACE_NS = 1000000000 };
    uint64_t expiry_ns = atomic_load_explicit(&entry->expiry_ns, memory_order_relaxed);
    return state_of(word) == ENTRY_QUEUED && now_ns > expiry_ns && now_ns - expiry_ns > GRACE_NS;
}

/* Whether an entry is of a row, or of an endpoint or account of that row. */
static bool concerns(const struct segment *segment, const struct seg_entry *entry, uint32_t row)
{
    uint32_t own = atomic_load(&entry->row);
    return own == row ||
           (own < SEG_ROWS && seg_row(segment, own)->kind != ROW_DESTINATION && seg_row(segment, own)->parent == row);
}

uint32_t ledger_reap(const struct segment *segment, uint32_t row, uint64_t now_ns)
{
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used);
    uint32_t reclaimed = 0;
    uint32_t last_owner = 0;
    bool last_alive = true;
    for (uint32_t i = 0; i < used && i < SEG_LEDGER; i++) {
        struct seg_entry *entry = seg_entry(segment, i);
        uint64_t word = atomic_load(&entry->word);
        if (state_of(word) == ENTRY_FREE || (row != LEDGER_NONE && !concerns(segment, entry, row)))
            continue;
        bool counts = row == LEDGER_NONE || atomic_load(&entry->row) == row;
        /* Entries of one process mostly stand together: ask the kernel once for each run of them. */
        if (owner_of(word) != last_owner) {
            last_owner = owner_of(word);
            last_alive = registry_holds(segment, last_owner, now_ns);
            if (!last_alive)
                registry_bury(segment, last_owner);
        }
        if (!last_alive)
            reclaimed += reclaim(segment, i, tag_of(word)) & counts;
        else if (overdue(entry, word, now_ns)) /* but not if its turn came after all: then it lives with its slot */
            reclaimed += give_back(segment, ACCOUNT_QUEUE, i, tag_of(word), ENTRY_QUEUED) & counts;
    }
    if (reclaimed && row != LEDGER_NONE)
        seg_count(seg_row(segment, row), COUNTER_reclaimed, reclaimed);
    return reclaimed;
}

static bool is_heir(const struct seg_entry *entry, uint32_t owner)
{
    for (unsigned place = 0; place < HEIRS; place++)
        if (heirs_at(entry, place) == owner)
            return true;
    return false;
}

bool ledger_next_of(const struct segment *segment, uint32_t owner, uint32_t *index, struct slot *slot)
{
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used);
    while (*index < used && *index < SEG_LEDGER) {
        const struct seg_entry *entry = seg_entry(segment, *index);
        uint64_t word = atomic_load(&entry->word);
        *slot = (struct slot){(*index)++, tag_of(word)};
        if (state_of(word) == ENTRY_HELD && (owner_of(word) == owner || is_heir(entry, owner)))
            return true;
        if (state_of(word) != ENTRY_HELD && state_of(word) != ENTRY_FREE && owner_of(word) == owner)
            reclaim(segment, slot->entry, slot->tag);
    }
    return false;
}
