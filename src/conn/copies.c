/* SPDX-License-Identifier: MIT
 * Old copies of the rules. */
#include "conn/copies.h"

#include "base/clock.h"
#include "conn/host.h"
#include "policy/balance.h"
#include "real/raw.h"

#define OUT_OF_USE_NS 5000000000ull

/* Newest first. Who looks through it takes all of it and puts back what stays, so that two at once (a turn that was
 * taken over) never see the same copy. */
static _Atomic(struct rules_copy *) retired;

static void put_back(struct rules_copy *first, struct rules_copy *last)
{
    struct rules_copy *seen = atomic_load(&retired);
    do
        last->older = seen;
    while (!atomic_compare_exchange_weak(&retired, &seen, first));
}

static void release_maglev(const struct rules *rules)
{
    for (uint32_t i = 0; rules && i < rules->destinations; i++) {
        uint8_t *table = atomic_load(host_maglev_slot(rules, i));
        if (table)
            raw_munmap(table, BALANCE_TABLE);
    }
}

static void release(struct rules_copy *copy)
{
    release_maglev((const struct rules *)(const void *)(copy + 1));
    release_maglev(live_rules(copy->live));
    raw_munmap(copy, copy->bytes);
}

static void prune(uint64_t now_ns)
{
    struct rules_copy *first = NULL, *last = NULL, *next;
    for (struct rules_copy *copy = atomic_exchange(&retired, NULL); copy; copy = next) {
        next = copy->older;
        if (now_ns - copy->retired_ns > OUT_OF_USE_NS && atomic_load(&copy->pins) == 0) {
            release(copy);
            continue;
        }
        copy->older = first;
        first = copy;
        last = last ? last : copy;
    }
    if (first)
        put_back(first, last);
}

void copies_replace(struct rules_copy *copy)
{
    const struct rules *old =
        atomic_exchange(&host.rules, (const struct rules *)(const void *)(copy + 1)); /* whole before it is seen */
    uint64_t now_ns = clock_now_ns();
    if (!old)
        return;
    copies_of(old)->retired_ns = now_ns;
    put_back(copies_of(old), copies_of(old));
    prune(now_ns);
}

struct rules_copy *copies_pin(const struct rules *rules)
{
    return copies_share(rules ? copies_of(rules) : NULL);
}

struct rules_copy *copies_share(struct rules_copy *copy)
{
    if (copy)
        atomic_fetch_add_explicit(&copy->pins, 1, memory_order_relaxed);
    return copy;
}

void copies_unpin(struct rules_copy **pin)
{
    struct rules_copy *copy = *pin;
    *pin = NULL;
    if (copy)
        atomic_fetch_sub_explicit(&copy->pins, 1, memory_order_release);
}
