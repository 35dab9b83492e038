/* SPDX-License-Identifier: MIT
 * Driving the adaptive limit over shared memory. */
#include "segment/limit.h"

#include "segment/ledger.h"

enum { LIMIT_WORD, WINDOW_WORD };

_Static_assert((int)ADAPTIVE_WORDS <= sizeof((struct seg_row *)0)->adaptive / sizeof(uint64_t),
               "the row holds the state");

int64_t limit_now(const struct seg_row *destination, const struct conf *conf)
{
    if (conf->bulkhead_adaptive == ADAPTIVE_OFF)
        return conf->bulkhead_limit;
    return adaptive_limit(atomic_load_explicit(&destination->adaptive[LIMIT_WORD], memory_order_relaxed), conf);
}

/* After the window was taken: nobody else has these statistics to store. The limit's word goes last. */
static void store(struct seg_row *destination, const uint64_t old[ADAPTIVE_WORDS], const uint64_t next[ADAPTIVE_WORDS])
{
    uint64_t seen = old[LIMIT_WORD];
    for (int i = WINDOW_WORD + 1; i < ADAPTIVE_WORDS; i++)
        if (next[i] != old[i])
            atomic_store_explicit(&destination->adaptive[i], next[i], memory_order_relaxed);
    if (next[LIMIT_WORD] != seen)
        atomic_compare_exchange_strong(&destination->adaptive[LIMIT_WORD], &seen, next[LIMIT_WORD]);
}

void limit_sample(struct seg_row *destination, const struct seg_row *account, const struct conf *conf,
                  uint64_t started_ns, bool dropped, uint64_t now_ns)
{
    if (conf->bulkhead_adaptive == ADAPTIVE_OFF)
        return;
    struct adaptive_sample sample = {
        .started_ns = started_ns,
        .latency_ns = now_ns - started_ns,
        .in_flight = ledger_count(atomic_load_explicit(&account->account, memory_order_relaxed)),
        .dropped = dropped,
    };
    for (;;) {
        uint64_t old[ADAPTIVE_WORDS], next[ADAPTIVE_WORDS];
        for (int i = 0; i < ADAPTIVE_WORDS; i++)
            old[i] = atomic_load_explicit(&destination->adaptive[i], memory_order_relaxed);
        struct adaptive state = adaptive_unpack(old);
        state = adaptive_step(&state, conf, &sample, now_ns);
        adaptive_pack(&state, next);
        uint64_t seen = old[WINDOW_WORD];
        if (next[WINDOW_WORD] != seen &&
            !atomic_compare_exchange_strong(&destination->adaptive[WINDOW_WORD], &seen, next[WINDOW_WORD]))
            continue;
        store(destination, old, next);
        return;
    }
}
