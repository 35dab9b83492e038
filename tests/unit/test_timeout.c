/* SPDX-License-Identifier: MIT
 * Learned timeouts: the arithmetic, and the sample in a row of a segment. */
#include <stdlib.h>

#include "policy/timeout.h"
#include "segment/hist.h"
#include "segment/learn.h"
#include "tests/unit/check.h"

#define MS 1000000ll

static struct seg_row row;

static int64_t value_of(uint32_t quantile_permille, uint32_t factor_tenths, uint32_t min_ms, uint32_t max_ms)
{
    return timeout_pack((struct timeout_auto){quantile_permille, factor_tenths, min_ms, max_ms});
}

static void test_effective(void)
{
    int64_t value = value_of(990, 30, 50, 5000);
    CHECK_INT(timeout_effective_ns(700 * MS, 20 * (uint64_t)MS), 700 * MS);
    CHECK_INT(timeout_effective_ns(CONF_OFF, 20 * (uint64_t)MS), CONF_OFF);
    CHECK_INT(timeout_effective_ns(value, 0), 5000 * MS);
    CHECK_INT(timeout_effective_ns(value, 20 * (uint64_t)MS), 60 * MS);
    CHECK_INT(timeout_effective_ns(value, 10 * (uint64_t)MS), 50 * MS);
    CHECK_INT(timeout_effective_ns(value, 1), 50 * MS);
    CHECK_INT(timeout_effective_ns(value, 1666 * (uint64_t)MS), 4998 * MS);
    CHECK_INT(timeout_effective_ns(value, 1667 * (uint64_t)MS), 5000 * MS);
    CHECK_INT(timeout_effective_ns(value, UINT64_MAX), 5000 * MS);
    CHECK_INT(timeout_effective_ns(value_of(990, 15, 1, 5000), 30000001), 45000001);
    CHECK_INT(timeout_shortest_ns(value), 50 * MS);
    CHECK_INT(timeout_longest_ns(value), 5000 * MS);
    CHECK_INT(timeout_shortest_ns(CONF_OFF), CONF_OFF);
    CHECK_INT(timeout_longest_ns(3 * MS), 3 * MS);
    CHECK(!timeout_is_auto(CONF_OFF) && !timeout_is_auto(24 * 3600000 * MS) && timeout_is_auto(value));
}

static void test_quantile(void)
{
    uint32_t buckets[4] = {10, 9, 0, 0};
    CHECK_INT(timeout_quantile(buckets, 4, 500), 4); /* 19 are too few */
    buckets[3] = 1;
    CHECK_INT(timeout_quantile(buckets, 4, 500), 0);
    CHECK_INT(timeout_quantile(buckets, 4, 501), 1);
    CHECK_INT(timeout_quantile(buckets, 4, 950), 1);
    CHECK_INT(timeout_quantile(buckets, 4, 951), 3);
    CHECK_INT(timeout_quantile(buckets, 4, 999), 3);
    uint32_t many[2] = {UINT32_MAX, UINT32_MAX};
    CHECK_INT(timeout_quantile(many, 2, 999), 1);
    CHECK_INT(timeout_quantile(many, 2, 500), 0);
}

static void test_bucket_ends(void)
{
    for (uint64_t us = 0; us < 5000000; us += us / 97 + 1) {
        CHECK(hist_end_us(hist_bucket(us)) > us);
        CHECK(hist_end_us(hist_bucket(us)) <= us + us / 4 + 1);
    }
    for (uint32_t bucket = 0; bucket + 1 < SEG_HIST; bucket++)
        CHECK_INT(hist_bucket(hist_end_us(bucket)), bucket + 1);
}

static uint64_t sample_size(enum learn_kind kind)
{
    const struct seg_hist *hist = kind == LEARN_CONNECT ? &row.connect : &row.response;
    uint64_t samples = 0;
    for (int i = 0; i < SEG_HIST; i++)
        samples += hist->bucket[i];
    return samples;
}

static void test_learning(enum learn_kind kind)
{
    int64_t key = value_of(990, 30, 1, 5000), other = value_of(500, 10, 1, 5000);
    memset(&row, 0, sizeof row);
    for (int i = 0; i < 19; i++) {
        learn_add(&row, kind, key, 20 * (uint64_t)MS, false);
        CHECK_INT(learn_ns(&row, kind, key), 5000 * MS);
        CHECK_INT(learn_ns(&row, kind, other), 5000 * MS);
    }
    learn_add(&row, kind, key, 20 * (uint64_t)MS, false);
    uint64_t learned_ns = learn_quantile_ns(&row, kind, 990);
    CHECK(learned_ns >= 20 * (uint64_t)MS && learned_ns <= 25 * (uint64_t)MS);
    CHECK_INT(learn_ns(&row, kind, key), 3 * (int64_t)learned_ns);
    CHECK_INT(learn_ns(&row, kind, other), (int64_t)learned_ns); /* another quantile, from the histogram */
    CHECK_INT(learn_ns(&row, kind, 7 * MS), 7 * MS);
    CHECK_INT(learn_ns(&row, 1 - kind, key), 5000 * MS); /* the other kind knows nothing */
    /* Ten times slower: known after 64 samples at the latest; ten times faster: forgotten as the sample decays. */
    for (int i = 0; i < 64; i++)
        learn_add(&row, kind, key, 200 * (uint64_t)MS, false);
    CHECK(learn_ns(&row, kind, key) >= 600 * MS && learn_ns(&row, kind, key) <= 750 * MS);
    CHECK_INT(learn_ns(&row, kind, key) / MS, 688); /* 3 x 229376 us */
    /* What times out counts more: eight of them are a look. */
    for (int i = 0; i < 8; i++)
        learn_add(&row, kind, key, 688 * (uint64_t)MS, true);
    CHECK(learn_ns(&row, kind, key) >= 2064 * MS);
    uint64_t most = 0;
    for (int i = 0; i < 20000; i++) {
        learn_add(&row, kind, key, 20 * (uint64_t)MS, false);
        most = sample_size(kind) > most ? sample_size(kind) : most;
    }
    CHECK(learn_ns(&row, kind, key) >= 60 * MS && learn_ns(&row, kind, key) <= 75 * MS);
    CHECK(most >= 4096 - 64 && most <= 4096 + 64);
    CHECK(sample_size(kind) >= 2000);
}

static void test_keys(void)
{
    struct conf conf = {.timeout_connect_ns = MS, .timeout_probe_ns = CONF_OFF, .timeout_response_ns = MS};
    CHECK_INT(learn_key(&conf, LEARN_CONNECT), CONF_OFF);
    CHECK_INT(learn_key(&conf, LEARN_RESPONSE), CONF_OFF);
    conf.bulkhead_queue_timeout_ns = value_of(500, 10, 1, 2);
    CHECK_INT(learn_key(&conf, LEARN_CONNECT), conf.bulkhead_queue_timeout_ns);
    conf.timeout_connect_ns = value_of(990, 10, 1, 2);
    CHECK_INT(learn_key(&conf, LEARN_CONNECT), conf.timeout_connect_ns);
    CHECK_INT(learn_key(&conf, LEARN_RESPONSE), CONF_OFF);
}

int main(void)
{
    test_effective();
    test_quantile();
    test_bucket_ends();
    test_learning(LEARN_CONNECT);
    test_learning(LEARN_RESPONSE);
    test_keys();
    return check_end();
}
