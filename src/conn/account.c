/* SPDX-License-Identifier: MIT
 * Accounts: rows of the shared segment, or of one of our own. */
#include "conn/account.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conn/host.h"
#include "policy/conf.h"
#include "real/raw.h"
#include "segment/registry.h"
#include "segment/rows.h"

struct own {
    struct segment segment;
    uint32_t owner;
};

static _Atomic(struct own *) own; /* made once, by the thread that is first; never freed */

static void discard(struct own *made)
{
    if (made->segment.base)
        raw_munmap(made->segment.base, (size_t)made->segment.bytes);
    raw_munmap(made, sizeof *made);
}

static struct own *make_own(void)
{
    struct own *none = NULL;
    struct own *made = raw_mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!made)
        return NULL;
    bool resumed, usable = segment_private(&made->segment);
    made->owner = usable ? registry_join(&made->segment, 0, host.program, &resumed) : 0;
    if (made->owner && atomic_compare_exchange_strong(&own, &none, made))
        return made;
    discard(made);
    return atomic_load(&own);
}

static bool find_own(uint32_t row, struct account *account)
{
    struct own *mine = atomic_load_explicit(&own, memory_order_acquire);
    if (!mine)
        mine = make_own();
    if (mine)
        *account = (struct account){&mine->segment, row, mine->owner};
    return mine != NULL;
}

static bool find_row(int64_t per, uint16_t unit, uint32_t row, const char *name, struct account *account)
{
    uint32_t uid = per == PER_UID ? geteuid() : UINT32_MAX;
    struct row_key key = {.kind = ROW_ACCOUNT, .parent = row, .family = unit, .name = name};
    memcpy(key.addr, &uid, sizeof uid);
    *account = (struct account){&host.segment, row, atomic_load(&host.owner)};
    if (per == PER_UID || unit == ACCOUNT_OF_EXCHANGES)
        account->row = rows_get(&host.segment, &key);
    return account->row != ROW_NONE;
}

bool account_find(int64_t per, uint16_t unit, uint32_t row, const char *name, struct account *account)
{
    bool found = per == PER_PROCESS ? find_own(row, account) : find_row(per, unit, row, name, account);
    if (!found)
        atomic_fetch_add(&seg_header(&host.segment)->doubts, 1);
    return found;
}

void account_after_fork(void)
{
    struct own *parents = atomic_exchange(&own, NULL);
    if (parents)
        discard(parents);
}
