/* SPDX-License-Identifier: MIT
 * Counting results. */
#include "segment/tally.h"

#include "base/clock.h"
#include "policy/calls.h"

_Static_assert((int)SEG_BUCKETS == (int)WINDOW_BUCKETS, "the row holds the window");
_Static_assert((int)SEG_CALL_WORDS == (int)CALLS_WORDS, "the row holds the window of calls");

static void sum_calls(const struct seg_row *row, const struct conf *conf, uint32_t generation, struct window_sum *sum)
{
    uint64_t failed[CALLS_WORDS], slow[CALLS_WORDS];
    for (int i = 0; i < CALLS_WORDS; i++) {
        failed[i] = atomic_load_explicit(&row->call_failed[i], memory_order_relaxed);
        slow[i] = atomic_load_explicit(&row->call_slow[i], memory_order_relaxed);
    }
    uint64_t calls = atomic_load_explicit(&row->calls, memory_order_relaxed);
    *sum = calls_sum(calls, generation, failed, slow, conf->breaker_window_calls);
}

void tally_sum(const struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t now_ns,
               struct window_sum *sum)
{
    if (conf->breaker_window_calls > 0) {
        sum_calls(row, conf, generation, sum);
        return;
    }
    uint64_t epoch = window_epoch(now_ns, conf->breaker_window_ns);
    *sum = (struct window_sum){0};
    for (int i = 0; i < SEG_BUCKETS; i++)
        window_add_to(sum, atomic_load_explicit(&row->bucket[i], memory_order_relaxed), epoch, generation);
}

/* After a gap as long as the window every bucket is stale; their short epochs must not come round again. */
static void advance_window(struct seg_row *row, uint64_t epoch)
{
    uint64_t newest = atomic_load_explicit(&row->window_epoch, memory_order_relaxed);
    if (epoch <= newest || !atomic_compare_exchange_strong(&row->window_epoch, &newest, epoch))
        return;
    if (epoch - newest >= SEG_BUCKETS)
        for (int i = 0; i < SEG_BUCKETS; i++)
            atomic_store_explicit(&row->bucket[i], 0, memory_order_relaxed);
}

static void set_bit(_Atomic uint64_t *words, uint32_t bit, bool on)
{
    if (on)
        atomic_fetch_or(&words[bit / 64], 1ull << bit % 64);
    else
        atomic_fetch_and(&words[bit / 64], ~(1ull << bit % 64));
}

/* The window of calls: the word says which bit is ours; a writer that dies before it set the bit leaves the result of
 * the call N before, which the next round repairs. */
static uint64_t count_in_calls(struct seg_row *row, const struct conf *conf, uint32_t generation, bool failed,
                               bool slow)
{
    uint64_t seen = atomic_load_explicit(&row->calls, memory_order_relaxed);
    uint64_t next = calls_next(seen, generation);
    while (!atomic_compare_exchange_weak(&row->calls, &seen, next))
        next = calls_next(seen, generation);
    uint32_t bit = calls_bit(next, conf->breaker_window_calls);
    set_bit(row->call_failed, bit, failed);
    set_bit(row->call_slow, bit, slow);
    return next;
}

uint64_t tally_count(struct seg_row *row, const struct conf *conf, uint32_t generation, bool failed, bool slow,
                     uint64_t now_ns)
{
    if (conf->breaker_window_calls > 0)
        return count_in_calls(row, conf, generation, failed, slow);
    uint64_t epoch = window_epoch(now_ns, conf->breaker_window_ns);
    advance_window(row, epoch);
    _Atomic uint64_t *bucket = &row->bucket[epoch % SEG_BUCKETS];
    uint64_t seen = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(bucket, &seen, window_add(seen, epoch, generation, failed, slow)))
        ;
    return epoch + 1;
}

void tally_fail(struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t counted)
{
    int64_t length = conf->breaker_window_calls;
    if (length > 0) {
        if (calls_is_kept(atomic_load_explicit(&row->calls, memory_order_relaxed), counted, length))
            set_bit(row->call_failed, calls_bit(counted, length), true);
        return;
    }
    _Atomic uint64_t *bucket = &row->bucket[(counted - 1) % SEG_BUCKETS];
    uint64_t seen = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(bucket, &seen, window_fail(seen, counted - 1, generation)))
        ;
}

bool tally_is_wanted(const struct conf *conf)
{
    return conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0 || conf->breaker_slow_time_ns > 0;
}

/* lumped = generation:12 | us:52, so that every transition forgets it. Of several failures at once one wins. */
bool tally_is_fresh(struct seg_row *row, const struct conf *conf, uint32_t generation, uint64_t now_ns)
{
    _Atomic uint64_t *lumped = &row->lumped;
    const uint64_t time_mask = (1ull << 52) - 1;
    uint64_t lumping_us = (uint64_t)(conf->breaker_lumping_ns / NS_PER_US);
    if (conf->breaker_lumping_ns <= 0)
        return true;
    uint64_t last = atomic_load_explicit(lumped, memory_order_relaxed);
    uint64_t now =
        (uint64_t)(generation & 0xfff) << 52 | ((now_ns / (uint64_t)NS_PER_US + 1) & time_mask); /* never 0 */
    bool fresh = last == 0 || last >> 52 != now >> 52 || ((now - last) & time_mask) >= lumping_us;
    return fresh && atomic_compare_exchange_strong(lumped, &last, now);
}

bool tally_is_clean(const struct seg_row *row, const struct conf *conf)
{
    uint64_t all = 0;
    if (conf->breaker_window_calls > 0)
        return false; /* would cost as much as the sum */
    for (int i = 0; i < SEG_BUCKETS; i++)
        all |= atomic_load_explicit(&row->bucket[i], memory_order_relaxed);
    return (all & WINDOW_TROUBLE) == 0;
}
