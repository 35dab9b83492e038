/* SPDX-License-Identifier: MIT
 * Steps of one account. */
#include "segment/ledger_steps.h"

#include "real/raw.h"

_Atomic uint64_t *step_word(struct seg_row *row, enum account_kind kind)
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

void step_help(const struct segment *segment, struct seg_row *row, enum account_kind kind, uint64_t account_word)
{
    struct account account = unpack_account(account_word);
    if (account.operation == OPERATION_NONE)
        return;
    struct seg_entry *entry = seg_entry(segment, account.entry);
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) != account.tag || atomic_load(step_word(row, kind)) != account_word)
        return;
    enum entry_state next = finished(kind, account.operation, state_of(word));
    uint32_t owner = next == ENTRY_FREE ? 0 : owner_of(word);
    if (next != state_of(word))
        atomic_compare_exchange_strong(&entry->word, &word, pack_entry(owner, account.tag, next));
}

bool step_take(const struct segment *segment, struct seg_row *row, enum account_kind kind, const struct slot *slot,
               int64_t limit, enum entry_state only_if)
{
    _Atomic uint64_t *account = step_word(row, kind);
    uint64_t word = atomic_load(account);
    for (;;) {
        step_help(segment, row, kind, word);
        uint64_t entry_word = atomic_load(&seg_entry(segment, slot->entry)->word);
        uint32_t count = ledger_count(word);
        if ((limit > 0 && count >= (uint64_t)limit) || state_of(entry_word) != only_if ||
            tag_of(entry_word) != slot->tag)
            return false;
        uint64_t next = pack_account(count + 1, OPERATION_ACQUIRE, slot->entry, slot->tag);
        if (atomic_compare_exchange_strong(account, &word, next)) {
            step_help(segment, row, kind, next);
            return true;
        }
    }
}

void step_wake(struct seg_row *row)
{
    enum { FUTEX_WAKE_SHARED = 1 };
    if (ledger_count(atomic_load_explicit(&row->queue, memory_order_relaxed)) > 0)
        raw_syscall(SYS_futex, (long)&row->account, FUTEX_WAKE_SHARED, INT32_MAX, 0, 0, 0);
}

bool step_give_back(const struct segment *segment, enum account_kind kind, uint32_t index, uint32_t tag,
                    enum entry_state from)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    if (row_index >= SEG_ROWS)
        return false;
    struct seg_row *row = seg_row(segment, row_index);
    _Atomic uint64_t *account = step_word(row, kind);
    uint64_t word = atomic_load(account);
    for (;;) {
        step_help(segment, row, kind, word);
        uint64_t entry_word = atomic_load(&entry->word);
        if (state_of(entry_word) != from || tag_of(entry_word) != tag)
            return false;
        uint32_t count = ledger_count(word);
        uint64_t next = pack_account(count ? count - 1 : 0, OPERATION_RELEASE, index, tag);
        if (atomic_compare_exchange_strong(account, &word, next)) {
            step_help(segment, row, kind, next);
            step_wake(row);
            return true;
        }
    }
}
