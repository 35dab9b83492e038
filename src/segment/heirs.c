/* SPDX-License-Identifier: MIT
 * Places of heirs: two in a word, in words that only an entry in the queue uses otherwise. */
#include "segment/heirs.h"

#include "base/clock.h"
#include "segment/registry.h"

static _Atomic uint64_t *word_of(const struct seg_entry *entry, unsigned place)
{
    struct seg_entry *own = (struct seg_entry *)(uintptr_t)entry;
    return place < 2 ? &own->ticket : &own->expiry_ns;
}

static unsigned shift_of(unsigned place)
{
    return place % 2 * 32;
}

uint32_t heirs_at(const struct seg_entry *entry, unsigned place)
{
    return (uint32_t)(atomic_load(word_of(entry, place)) >> shift_of(place));
}

/* Of two at once one succeeds. */
static bool replace(struct seg_entry *entry, unsigned place, uint32_t from, uint32_t to)
{
    _Atomic uint64_t *word = word_of(entry, place);
    uint64_t seen = atomic_load(word);
    while ((uint32_t)(seen >> shift_of(place)) == from) {
        uint64_t next = (seen & ~((uint64_t)UINT32_MAX << shift_of(place))) | (uint64_t)to << shift_of(place);
        if (atomic_compare_exchange_weak(word, &seen, next))
            return true;
    }
    return false;
}

void heirs_clear(struct seg_entry *entry)
{
    atomic_store(&entry->ticket, 0);
    atomic_store(&entry->expiry_ns, 0);
}

bool heirs_add(const struct segment *segment, struct seg_entry *entry, uint32_t heir, uint64_t now_ns)
{
    for (unsigned place = 0; place < HEIRS; place++)
        if (heirs_at(entry, place) == heir || replace(entry, place, 0, heir))
            return true;
    for (unsigned place = 0; place < HEIRS; place++) {
        uint32_t other = heirs_at(entry, place);
        if (registry_holds(segment, other, now_ns))
            continue;
        registry_bury(segment, other); /* it stands in the other entries, too: there no system call is needed */
        if (replace(entry, place, other, heir))
            return true;
    }
    return false;
}

bool heirs_drop(struct seg_entry *entry, uint32_t heir)
{
    bool any = false;
    for (unsigned place = 0; place < HEIRS && heir != 0; place++)
        any |= replace(entry, place, heir, 0);
    return any;
}

uint32_t heirs_find(const struct segment *segment, const struct seg_entry *entry, uint32_t except)
{
    for (unsigned place = 0; place < HEIRS; place++) {
        uint32_t heir = heirs_at(entry, place);
        if (heir != 0 && heir != except && registry_holds(segment, heir, clock_now_ns()))
            return heir;
    }
    return 0;
}
