/* SPDX-License-Identifier: MIT
 * The sample of a learned timeout. */
#include "segment/learn.h"

#include "segment/hist.h"

/* learned word = samples:8 (for the rhythm, goes round) | quantile in permille:10 | its latency in us:46, 0 = none. */
enum { US_BITS = 46, QUANTILE_BITS = 10, RHYTHM = 64, WEIGHT_OF_TIMEOUT = 8, SAMPLES_MAX = 4096 };
#define SAMPLE_ONE    (1ull << (US_BITS + QUANTILE_BITS))
#define US_MASK       ((1ull << US_BITS) - 1)
#define QUANTILE_MASK ((1u << QUANTILE_BITS) - 1)

static const struct seg_hist *sample_of(const struct seg_row *destination, enum learn_kind kind)
{
    return kind == LEARN_CONNECT ? &destination->connect : &destination->response;
}

int64_t learn_key(const struct conf *conf, enum learn_kind kind)
{
    if (kind == LEARN_RESPONSE)
        return timeout_is_auto(conf->timeout_response_ns) ? conf->timeout_response_ns : CONF_OFF;
    const int64_t keys[] = {conf->timeout_connect_ns, conf->timeout_probe_ns, conf->bulkhead_queue_timeout_ns};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (timeout_is_auto(keys[i]))
            return keys[i];
    return CONF_OFF;
}

/* The upper end of the bucket: no more than a quantile of the samples is longer. */
static uint64_t quantile_us(const uint32_t buckets[SEG_HIST], uint32_t quantile_permille)
{
    uint32_t bucket = timeout_quantile(buckets, SEG_HIST, quantile_permille);
    return bucket < SEG_HIST ? hist_end_us(bucket) : 0;
}

static uint64_t copy_sample(const struct seg_hist *sample, uint32_t buckets[SEG_HIST])
{
    uint64_t samples = 0;
    for (uint32_t i = 0; i < SEG_HIST; i++) {
        buckets[i] = atomic_load_explicit(&sample->bucket[i], memory_order_relaxed);
        samples += buckets[i];
    }
    return samples;
}

/* By compare-and-swap, so that two who halve at once do not quarter, and none goes below zero. */
static void halve(struct seg_hist *sample, uint32_t buckets[SEG_HIST])
{
    for (uint32_t i = 0; i < SEG_HIST; i++)
        if (buckets[i])
            atomic_compare_exchange_strong(&sample->bucket[i], &buckets[i], buckets[i] / 2);
}

static void look(struct seg_row *destination, enum learn_kind kind, uint32_t quantile_permille)
{
    struct seg_hist *sample = kind == LEARN_CONNECT ? &destination->connect : &destination->response;
    _Atomic uint64_t *word = &destination->learned_ns[kind];
    uint32_t buckets[SEG_HIST];
    uint64_t samples = copy_sample(sample, buckets);
    uint64_t us = quantile_us(buckets, quantile_permille);
    if (samples >= SAMPLES_MAX)
        halve(sample, buckets);
    if (us == 0)
        return;
    uint64_t learned = (uint64_t)quantile_permille << US_BITS | us;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(word, &seen, (seen & ~(SAMPLE_ONE - 1)) | learned))
        ;
}

void learn_add(struct seg_row *destination, enum learn_kind kind, int64_t key, uint64_t latency_ns, bool timed_out)
{
    struct seg_hist *sample = kind == LEARN_CONNECT ? &destination->connect : &destination->response;
    uint64_t weight = timed_out ? WEIGHT_OF_TIMEOUT : 1; /* in the rhythm only: so that the timeout follows sooner */
    atomic_fetch_add_explicit(&sample->bucket[hist_bucket(latency_ns / 1000)], 1, memory_order_relaxed);
    uint64_t seen =
        atomic_fetch_add_explicit(&destination->learned_ns[kind], weight * SAMPLE_ONE, memory_order_relaxed);
    bool due = seen / (RHYTHM * SAMPLE_ONE) != (seen + weight * SAMPLE_ONE) / (RHYTHM * SAMPLE_ONE);
    if (due || (seen & US_MASK) == 0)
        look(destination, kind, timeout_unpack(key).quantile_permille);
}

uint64_t learn_quantile_ns(const struct seg_row *destination, enum learn_kind kind, uint32_t quantile_permille)
{
    uint64_t learned = atomic_load_explicit(&destination->learned_ns[kind], memory_order_relaxed);
    uint32_t buckets[SEG_HIST];
    if ((learned >> US_BITS & QUANTILE_MASK) == quantile_permille)
        return (learned & US_MASK) * 1000;
    copy_sample(sample_of(destination, kind), buckets);
    return quantile_us(buckets, quantile_permille) * 1000;
}

int64_t learn_auto_ns(const struct seg_row *destination, enum learn_kind kind, int64_t value)
{
    uint32_t quantile_permille = timeout_unpack(value).quantile_permille;
    return timeout_effective_ns(value, learn_quantile_ns(destination, kind, quantile_permille));
}
