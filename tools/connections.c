/* SPDX-License-Identifier: MIT
 * Reading the ledger. One connection may have several entries: its own, which stands in its destination's row, and
 * slots of its endpoint, of its share and of its exchange. */
#include "connections.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "print.h"
#include "segment/heirs.h"
#include "segment/ledger.h"
#include "segment/registry.h"
#include "segment/rows.h"

uint32_t connections_holder(struct liveness *liveness, const struct seg_entry *entry, uint32_t owner, bool held)
{
    if (liveness_ask(liveness, owner))
        return owner;
    /* The limit counts the slot for a child on its way, too. Asked before the heirs: it stands there once it has
     * arrived. */
    bool awaited = held && owner != 0 && registry_holds(liveness->segment, owner, clock_now_ns());
    for (unsigned place = 0; place < HEIRS && held; place++) {
        uint32_t heir = heirs_at(entry, place);
        if (liveness_ask(liveness, heir))
            return heir;
    }
    return awaited ? owner : 0;
}

static const struct seg_row *row_at(const struct segment *segment, uint32_t index)
{
    const struct seg_row *row = index < SEG_ROWS ? seg_row(segment, index) : NULL;
    return row && rows_ready(row) ? row : NULL;
}

static bool counts_exchanges(const struct seg_row *row)
{
    return row->kind == ROW_ACCOUNT && row->family == ACCOUNT_OF_EXCHANGES;
}

/* A row that stands for an address. */
static bool is_place(const struct seg_row *row)
{
    return row->kind == ROW_ENDPOINT || row->kind == ROW_FALLBACK;
}

static void name_it(const struct segment *segment, const struct seg_row *row, uint32_t endpoint, uint32_t holder,
                    struct connection *out)
{
    const struct seg_row *destination = row_at(segment, out->destination_row);
    const struct seg_row *target = row_at(segment, endpoint);
    const struct seg_process *process = seg_process(segment, owner_index(holder));
    if (destination)
        copy_text(out->destination, sizeof out->destination, destination->name, sizeof destination->name);
    if (is_place(row))
        target = row;
    if (target && is_place(target))
        copy_text(out->endpoint, sizeof out->endpoint, target->label, sizeof target->label);
    copy_text(out->program, sizeof out->program, process->program, sizeof process->program);
    out->holder = owner_index(holder);
    out->pid = atomic_load_explicit(&process->pid, memory_order_relaxed);
}

/* What an entry tells; false when nobody holds it, or when it belongs to a row that is none. */
static bool read_entry(const struct segment *segment, struct liveness *liveness, const struct seg_entry *entry,
                       uint64_t now_ns, struct connection *out)
{
    uint32_t owner, index = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_acquire);
    bool held = ledger_held(word, &owner);
    const struct seg_row *row = row_at(segment, index);
    if (!row || (!held && !ledger_queued(word, &owner)))
        return false;
    uint32_t holder = connections_holder(liveness, entry, owner, held);
    if (holder == 0)
        return false;
    uint64_t started_ns = atomic_load_explicit(&entry->started_ns, memory_order_relaxed);
    uint64_t expiry_ns = atomic_load_explicit(&entry->expiry_ns, memory_order_relaxed);
    *out = (struct connection){
        .destination_row = row->kind == ROW_DESTINATION ? index : row->parent,
        .line_row = index,
        .fd = atomic_load_explicit(&entry->fd, memory_order_relaxed),
        .cookie = atomic_load_explicit(&entry->cookie, memory_order_relaxed),
        .age_ns = now_ns > started_ns ? now_ns - started_ns : 0,
        .queued = !held,
        .is_fallback = row->kind == ROW_FALLBACK,
        .is_exchange = !held && counts_exchanges(row),
        .lent = held && atomic_load_explicit(&entry->lent, memory_order_relaxed) == 1,
        .priority = atomic_load_explicit(&entry->priority, memory_order_relaxed),
        .ticket = held ? 0 : atomic_load_explicit(&entry->ticket, memory_order_relaxed),
        .rest_ns = !held && expiry_ns > now_ns ? expiry_ns - now_ns : 0,
    };
    name_it(segment, row, atomic_load_explicit(&entry->endpoint, memory_order_relaxed), holder, out);
    return true;
}

/* Higher priority first, then first come: as segment/ledger.c has them. */
static int by_turn(const struct connection *a, const struct connection *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->ticket < b->ticket ? -1 : a->ticket > b->ticket;
}

static int in_order(const void *left, const void *right)
{
    const struct connection *a = left, *b = right;
    int names = strcmp(a->destination, b->destination);
    if (names)
        return names;
    if (a->queued != b->queued)
        return a->queued ? 1 : -1;
    if (!a->queued)
        return a->age_ns > b->age_ns ? -1 : a->age_ns < b->age_ns;
    if (a->line_row != b->line_row)
        return a->line_row < b->line_row ? -1 : 1;
    return by_turn(a, b);
}

static void number_places(struct connections *connections)
{
    for (uint32_t i = 0; i < connections->count; i++) {
        struct connection *one = &connections->item[i];
        bool follows = i > 0 && one[-1].queued && one[-1].line_row == one->line_row;
        one->place = !one->queued ? 0 : follows ? one[-1].place + 1 : 1;
    }
}

static int by_cookie(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Slots of exchanges are no connections: they tell of one, which the socket's cookie names. */
static void note_exchanges(struct connections *connections, uint64_t *cookies, uint32_t count)
{
    qsort(cookies, count, sizeof *cookies, by_cookie);
    for (uint32_t i = 0; i < connections->count; i++) {
        struct connection *one = &connections->item[i];
        one->in_exchange = !one->queued && bsearch(&one->cookie, cookies, count, sizeof *cookies, by_cookie) != NULL;
    }
}

struct connections connections_gather(const struct segment *segment, struct liveness *liveness, uint64_t now_ns)
{
    uint32_t used = atomic_load(&seg_header(segment)->ledger_used), exchanges = 0;
    if (used > SEG_LEDGER)
        used = SEG_LEDGER;
    struct connections found = {.item = take_memory(used, sizeof *found.item)};
    uint64_t *cookies = take_memory(used, sizeof *cookies);
    for (uint32_t i = 0; i < used; i++) {
        struct connection *one = &found.item[found.count];
        if (!read_entry(segment, liveness, seg_entry(segment, i), now_ns, one))
            continue;
        const struct seg_row *row = seg_row(segment, one->line_row);
        if (one->queued || row->kind == ROW_DESTINATION || row->kind == ROW_FALLBACK)
            found.count++; /* one to a fallback has a slot there, and none of its destination */
        else if (counts_exchanges(row))
            cookies[exchanges++] = one->cookie;
    }
    qsort(found.item, found.count, sizeof *found.item, in_order);
    number_places(&found);
    note_exchanges(&found, cookies, exchanges);
    free(cookies);
    return found;
}

void connections_release(struct connections *connections)
{
    free(connections->item);
    *connections = (struct connections){.item = NULL};
}
