/* SPDX-License-Identifier: MIT
 * Adoption after exec. */
#include "conn/adopt.h"

#include <string.h>

#include "base/clock.h"
#include "conn/block.h"
#include "conn/deadline.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "segment/rows.h"

enum { LOOKED_AT = 1024 }; /* descriptors */

/* The current rules of the destination that the slot names; NULL when there are none any more. */
static const struct conf *conf_of_row(uint32_t row)
{
    const struct rules *rules = host_rules();
    for (uint32_t i = 0; rules && row < SEG_ROWS && i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        const char *name = seg_row(&host.segment, row)->name;
        if (strncmp(rules_text(rules, destination->name), name, SEG_NAME) != 0)
            continue;
        rules = host_effective(rules, &i, clock_now_ns());
        destination = rules_destination(rules, i);
        return destination->conf.mode == MODE_OFF ? NULL : &destination->conf;
    }
    return NULL;
}

/* What the connection was in the middle of is not known: it is open, and nothing is asked. */
static struct conn *open_record(const struct seg_entry *entry, const struct slot *slot, int fd)
{
    const struct conf *conf = conf_of_row(atomic_load(&entry->row));
    struct conn *conn = conf ? conn_new(fd) : NULL;
    if (!conn)
        return NULL;
    uint32_t endpoint = atomic_load(&entry->endpoint);
    conn->cookie = atomic_load(&entry->cookie);
    const struct seg_row *held = seg_row(&host.segment, atomic_load(&entry->row));
    conn->is_target = held->kind == ROW_FALLBACK;
    conn->row = conn->is_target && held->parent < SEG_ROWS ? held->parent : atomic_load(&entry->row);
    conn->endpoint = endpoint < SEG_ROWS ? endpoint : conn->row;
    conn->is_unix = seg_row(&host.segment, conn->endpoint)->family == AF_UNIX;
    conn->own = *conf;
    conn->conf = &conn->own;
    conn->held[SLOT_CONNECTION] =
        (struct held){.segment = &host.segment, .row = atomic_load(&entry->row), .slot = *slot};
    conn->inherited = 1;
    atomic_store(&conn->blocking, !kernel_nonblocking(fd));
    atomic_store(&conn->exchanges, 1);
    atomic_store(&conn->state, kernel_connection(fd) == KERNEL_CONNECTED ? CONN_ANSWERING : CONN_ENDED);
    deadline_note(conf);
    return conn;
}

/* True when a descriptor still names the slot's socket. */
static bool adopt(const struct slot *slot)
{
    const struct seg_entry *entry = seg_entry(&host.segment, slot->entry);
    uint64_t cookie = atomic_load(&entry->cookie);
    struct conn *conn = NULL;
    bool found = false;
    for (int fd = 0; fd < LOOKED_AT && cookie != 0; fd++) {
        if (kernel_cookie(fd) != cookie || conn_of(fd))
            continue;
        if (conn)
            atomic_fetch_add(&conn->refs, 1);
        else
            conn = found ? NULL : open_record(entry, slot, fd);
        found = true;
        if (conn && !conn_install(conn, fd))
            conn_unref(conn);
    }
    if (conn && atomic_load(&conn->blocking))
        block_install(conn, atomic_load(&conn->fd));
    return found;
}

/* A further slot of an adopted connection: its endpoint's, or a user's share. The exchange that held one is over. */
static bool adopt_share(const struct slot *slot)
{
    const struct seg_entry *entry = seg_entry(&host.segment, slot->entry);
    uint32_t index = 0, row = atomic_load(&entry->row);
    const struct seg_row *account = row < SEG_ROWS ? seg_row(&host.segment, row) : NULL;
    if (!account || (account->kind == ROW_ACCOUNT && account->family == ACCOUNT_OF_EXCHANGES))
        return false;
    enum slot_kind kind = account->kind == ROW_ENDPOINT ? SLOT_ENDPOINT : SLOT_SHARE;
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index)) {
        if (conn->cookie != atomic_load(&entry->cookie) || conn->held[kind].segment)
            continue;
        conn->held[kind] = (struct held){.segment = &host.segment, .row = row, .slot = *slot};
        return true;
    }
    return false;
}

static bool is_whole(const struct slot *slot)
{
    uint32_t row = atomic_load(&seg_entry(&host.segment, slot->entry)->row);
    uint32_t kind = row < SEG_ROWS ? seg_row(&host.segment, row)->kind : ROW_FREE;
    return kind == ROW_DESTINATION || kind == ROW_FALLBACK;
}

static void adopt_each(bool whole)
{
    uint32_t index = 0;
    uint32_t owner = atomic_load(&host.owner);
    struct slot slot;
    while (ledger_next_of(&host.segment, owner, &index, &slot))
        if (is_whole(&slot) == whole && !(whole ? adopt(&slot) : adopt_share(&slot)))
            ledger_release(&host.segment, owner, &slot);
}

void adopt_past(void)
{
    adopt_each(true);
    adopt_each(false);
}
