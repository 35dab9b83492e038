/* SPDX-License-Identifier: MIT
 * How slots come back: from their owners and heirs, and from the dead. */
#include "segment/heirs.h"
#include "segment/ledger.h"
#include "segment/ledger_steps.h"
#include "segment/registry.h"
#include "tables/enums.h"

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
            return step_give_back(segment, ACCOUNT_SLOTS, slot->entry, slot->tag, ENTRY_HELD);
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
 * names them: step_help() tells. */
static uint32_t reclaim(const struct segment *segment, uint32_t index, uint32_t tag)
{
    struct seg_entry *entry = seg_entry(segment, index);
    uint32_t row_index = atomic_load(&entry->row);
    if (row_index < SEG_ROWS) {
        struct seg_row *row = seg_row(segment, row_index);
        step_help(segment, row, ACCOUNT_SLOTS, atomic_load(&row->account));
        step_help(segment, row, ACCOUNT_QUEUE, atomic_load(&row->queue));
    }
    uint64_t word = atomic_load(&entry->word);
    if (tag_of(word) != tag)
        return 0; /* another reaper was faster, and somebody alive is here now */
    switch (state_of(word)) {
    case ENTRY_QUEUED:
        return step_give_back(segment, ACCOUNT_QUEUE, index, tag, ENTRY_QUEUED);
    case ENTRY_ADMITTED:
        step_give_back(segment, ACCOUNT_QUEUE, index, tag, ENTRY_ADMITTED);
        return step_give_back(segment, ACCOUNT_SLOTS, index, tag, ENTRY_HELD);
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
            reclaimed += step_give_back(segment, ACCOUNT_QUEUE, i, tag_of(word), ENTRY_QUEUED) & counts;
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
