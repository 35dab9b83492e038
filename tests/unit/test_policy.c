/* SPDX-License-Identifier: MIT
 * The edges of the policies that scenarios and the model in virtual time do not reach: packing, limits, what an errno
 * means, and the retry budget by the numbers of Finagle's own tests (scenario 6.59). */
#include <errno.h>
#include <stdint.h>

#include "policy/breaker.h"
#include "policy/calls.h"
#include "policy/classify.h"
#include "policy/lease.h"
#include "policy/rate.h"
#include "policy/retry.h"
#include "policy/window.h"
#include "tests/unit/check.h"

#define US 1000ull
#define MS (1000 * US)
#define S  (1000 * MS)

/* ---- breaker ---------------------------------------------------------------------------------- */

static struct conf breaker_conf(void)
{
    return (struct conf){.breaker_failures = 5,
                         .breaker_open_time_ns = 10 * (int64_t)S,
                         .breaker_open_max_ns = 10 * (int64_t)S,
                         .breaker_multiplier_ppm = 2 * PPM,
                         .breaker_probes = 1,
                         .breaker_successes = 1,
                         .breaker_halfopen_failures = 1};
}

static void test_breaker_word(void)
{
    const struct breaker states[] = {
        {.state = STATE_CLOSED, .generation = 4095, .exponent = 255, .consecutive = 65535},
        {.state = STATE_OPEN, .generation = 1, .exponent = 7, .until_us = (1ull << 42) - 1},
        {.state = STATE_HALF_OPEN, .generation = 2, .exponent = 1, .successes = 255, .failures = 254, .slow = 253},
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct breaker again = breaker_unpack(breaker_pack(&states[i]));
        CHECK(memcmp(&again, &states[i], sizeof again) == 0);
    }
    CHECK_INT(breaker_unpack(3ull << 62 | 9).state, STATE_CLOSED); /* a damaged word admits */
}

static uint64_t wait_ns(uint64_t until_us, uint64_t now_ns)
{
    const struct conf conf = breaker_conf();
    const struct breaker open = {.state = STATE_OPEN, .until_us = until_us & ((1ull << 42) - 1)};
    return breaker_wait_ns(&open, &conf, now_ns);
}

/* Where the hooks spare themselves the step, the step would change nothing; and nowhere else. */
static void test_breaker_at_rest(void)
{
    const struct conf conf = breaker_conf();
    const struct window_sum clean = {.calls = 1};
    uint64_t random = 1;
    int at_rest = 0;
    for (int i = 0; i < 100000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t word = random & ~((uint64_t)(i % 4 != 0) << 62 | (uint64_t)(i % 2 ? 0xffff : 0)) & ~(1ull << 63);
        struct breaker now = breaker_unpack(word & ~(i % 2 ? (1ull << 42) - 1 : 0));
        uint64_t packed = breaker_pack(&now);
        uint32_t generation = now.generation ^ (uint32_t)(i % 16 == 1);
        struct breaker_step step = breaker_result(&now, &conf, (struct ticket){.generation = generation},
                                                  OUTCOME_SUCCESS, false, &clean, S, random, 0);
        bool nothing = !step.late && !step.changed && now.state == STATE_CLOSED;
        CHECK_INT(breaker_is_at_rest(packed, generation), nothing);
        at_rest += nothing;
    }
    CHECK(at_rest > 1000);
}

static void test_breaker_wait(void)
{
    uint64_t now_ns = 1000 * S, now_us = now_ns / US;
    CHECK_INT(wait_ns(now_us + 1, now_ns), US);
    CHECK_INT(wait_ns(now_us + 1, now_ns + 999), 1);
    CHECK_INT(wait_ns(now_us, now_ns), 0);
    CHECK_INT(wait_ns(now_us - 1, now_ns), 0);
    /* Twice the longest open time is the jitter's; farther off is from another clock or other rules. */
    CHECK_INT(wait_ns(now_us + 20 * S / US, now_ns), 20 * S);
    CHECK_INT(wait_ns(now_us + 21 * S / US, now_ns), 0);
    CHECK_INT(wait_ns(now_us + (1ull << 41), now_ns), 0);
    /* 2^42 us come round after 50 days. */
    uint64_t late_ns = ((1ull << 42) - 1) * US;
    CHECK_INT(wait_ns((1ull << 42) + 4, late_ns), 5 * US);
}

static void test_breaker_open_time(void)
{
    struct conf conf = breaker_conf();
    conf.breaker_open_max_ns = 3600 * (int64_t)S;
    CHECK_INT(breaker_open_ns(&conf, 0, 1), 10 * S);
    CHECK_INT(breaker_open_ns(&conf, 3, 1), 80 * S);
    CHECK_INT(breaker_open_ns(&conf, 255, 1), 3600 * S);
    conf.breaker_open_max_ns = (int64_t)S; /* less than the open time: that is the least */
    CHECK_INT(breaker_open_ns(&conf, 9, 1), 10 * S);
    conf.breaker_jitter_ppm = PPM;
    CHECK_INT(breaker_open_ns(&conf, 0, 0), 1); /* never nothing */
    CHECK(breaker_open_ns(&conf, 0, UINT64_MAX) <= 20 * S && breaker_open_ns(&conf, 0, UINT64_MAX) > 19 * S);
}

/* A result in half-open that holds no lease is statistics only. */
static void test_breaker_without_lease(void)
{
    const struct conf conf = breaker_conf();
    const struct window_sum sum = {0};
    const struct breaker half = {.state = STATE_HALF_OPEN, .generation = 7};
    struct breaker_step step =
        breaker_result(&half, &conf, (struct ticket){.generation = 7}, OUTCOME_FAILURE, false, &sum, S, 1, 0);
    CHECK(step.late && !step.changed && step.next.state == STATE_HALF_OPEN);
    step = breaker_result(&half, &conf, (struct ticket){.generation = 7, .probe = true}, OUTCOME_FAILURE, false, &sum,
                          S, 1, 0);
    CHECK(!step.late && step.next.state == STATE_OPEN && step.next.generation == 8 && step.next.exponent == 1);
    /* Generations end at 4095, re-openings are counted to 255. */
    const struct breaker last = {.state = STATE_HALF_OPEN, .generation = 4095, .exponent = 255};
    step = breaker_result(&last, &conf, (struct ticket){.generation = 4095, .probe = true}, OUTCOME_FAILURE, false,
                          &sum, S, 1, 0);
    CHECK(step.next.generation == 0 && step.next.exponent == 255);
}

/* ---- window ----------------------------------------------------------------------------------- */

static void test_window_is_halved(void)
{
    uint64_t bucket = 0;
    struct window_sum sum = {0};
    for (int i = 0; i < WINDOW_COUNT_MAX; i++)
        bucket = window_add(bucket, 5, 1, true, true);
    window_add_to(&sum, bucket, 5, 1);
    CHECK_INT(sum.failed, 4095);
    CHECK_INT(sum.slow, 4095);
    sum = (struct window_sum){0};
    window_add_to(&sum, window_add(bucket, 5, 1, false, true), 5, 1);
    CHECK_INT(sum.failed, 2047);
    CHECK_INT(sum.calls, 2048);
    CHECK_INT(sum.slow, 2048);
    /* slow is of ok and failed together and so the first to be full: its share stays true as well. */
    bucket = 0;
    for (int i = 0; i < 2 * WINDOW_COUNT_MAX - 2; i++)
        bucket = window_add(bucket, 5, 1, i % 2, true);
    sum = (struct window_sum){0};
    window_add_to(&sum, bucket, 5, 1);
    CHECK_INT(sum.slow, sum.calls);
    CHECK(sum.calls > 4000);
}

/* The current tenth and the nine before it, of one generation. */
static void test_window_ends(void)
{
    uint64_t bucket = window_add(0, 15, 3, true, false);
    for (uint64_t epoch = 14; epoch <= 26; epoch++) {
        struct window_sum sum = {0};
        window_add_to(&sum, bucket, epoch, 3);
        CHECK_INT(sum.calls, epoch >= 15 && epoch <= 24);
        window_add_to(&sum, bucket, epoch, 4);
        CHECK_INT(sum.calls, epoch >= 15 && epoch <= 24);
    }
    CHECK_INT(window_epoch(99, 100), 9);
    CHECK_INT(window_epoch(100, 100), 10);
    CHECK_INT(window_epoch(100, 9), 0); /* shorter than its tenths */
}

/* ---- lease ------------------------------------------------------------------------------------ */

static void test_lease(void)
{
    uint64_t now_ns = 1000 * S, time_ns = lease_time_ns(2 * S, 3 * S);
    CHECK_INT(time_ns, 5 * S);
    CHECK_INT(lease_time_ns(-1, 3 * S), 63 * S);
    CHECK_INT(lease_time_ns(2 * S, -1), 62 * S);
    uint64_t lease = lease_pack(0x1abc, 0xfff12345, now_ns + time_ns - MS / 2);
    CHECK_INT(lease_owner(lease), 0x12345);
    CHECK_INT(lease_owner(lease_pack(1, 0xfffff, 1)), 0xfffff);
    CHECK(lease_is_held(lease, 0xabc, now_ns, time_ns));
    CHECK(!lease_is_held(lease, 0xabd, now_ns, time_ns));
    CHECK(!lease_is_held(0, 0, now_ns, time_ns));
    /* It ends at its expiry, rounded up to a millisecond. */
    CHECK(lease_is_held(lease, 0xabc, now_ns + time_ns - 1, time_ns));
    CHECK(!lease_is_held(lease, 0xabc, now_ns + time_ns, time_ns));
    CHECK(!lease_is_held(lease, 0xabc, now_ns + 100 * time_ns, time_ns));
    /* For a caller that looked at the clock a while before the lease was taken it is held as well. */
    CHECK(lease_is_held(lease, 0xabc, now_ns - 2 * MS, time_ns));
    CHECK(lease_is_held(lease, 0xabc, now_ns - 50 * S, time_ns));
    CHECK(!lease_is_held(lease, 0xabc, now_ns - 120 * S, time_ns)); /* another clock */
}

/* ---- rate ------------------------------------------------------------------------------------- */

static void test_rate(void)
{
    const struct conf conf = {.rate_limit = 36000, .rate_burst = 2, .rate_max_wait_ns = 200 * (int64_t)MS}; /* 10/s */
    struct rate_step step = rate_step(5 * S, &conf, 5 * S, false);
    CHECK(step.admitted && step.next == 5 * S + 100 * MS);
    step = rate_step(5 * S + 100 * MS, &conf, 5 * S, false);
    CHECK(step.admitted && step.next == 5 * S + 200 * MS);
    step = rate_step(5 * S + 200 * MS, &conf, 5 * S, false);
    CHECK(!step.admitted && step.wait_ns == 100 * MS);
    step = rate_step(5 * S + 300 * MS, &conf, 5 * S, true);
    CHECK(step.admitted && step.wait_ns == 200 * MS); /* exactly rate.max_wait */
    step = rate_step(5 * S + 300 * MS + 1, &conf, 5 * S, true);
    CHECK(!step.admitted);
    /* As far ahead as burst and wait can bring it; farther is from other rules. */
    step = rate_step(5 * S + 400 * MS, &conf, 5 * S, true);
    CHECK(!step.admitted && step.wait_ns == 300 * MS);
    step = rate_step(5 * S + 400 * MS + 1, &conf, 5 * S, true);
    CHECK(step.admitted && step.next == 5 * S + 100 * MS);
    const struct conf slow = {.rate_limit = 3599}; /* less than one a second: a burst of one */
    step = rate_step(0, &slow, 5 * S, false);
    CHECK(step.admitted && !rate_step(step.next, &slow, 5 * S, false).admitted);
    const struct conf many = {.rate_limit = 7200}; /* no burst is given: one second's worth */
    step = rate_step(0, &many, 5 * S, false);
    step = rate_step(step.next, &many, 5 * S, false);
    CHECK(step.admitted && !rate_step(step.next, &many, 5 * S, false).admitted);
    const struct conf fast = {.rate_limit = 10000 * 3600ll}; /* 100 us apart, 10 000 at once */
    CHECK(rate_step(5 * S + 9999 * 100 * US, &fast, 5 * S, false).admitted);
    CHECK(!rate_step(5 * S + 10000 * 100 * US, &fast, 5 * S, false).admitted);
}

/* ---- retry ------------------------------------------------------------------------------------ */

static void test_retry_wanted(void)
{
    static const struct {
        int error;
        int64_t bit;
    } rows[] = {
        {ECONNREFUSED, RETRY_ON_REFUSED},
        {ENOENT, RETRY_ON_REFUSED},
        {ETIMEDOUT, RETRY_ON_TIMEOUT},
        {EHOSTUNREACH, RETRY_ON_UNREACHABLE},
        {ENETUNREACH, RETRY_ON_UNREACHABLE},
        {EHOSTDOWN, RETRY_ON_UNREACHABLE},
        {ENETDOWN, RETRY_ON_UNREACHABLE},
        {ECONNRESET, RETRY_ON_RESET},
        {ECONNABORTED, RETRY_ON_RESET},
        {EMFILE, 0},
        {EADDRNOTAVAIL, 0},
        {EACCES, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int64_t bit = 1; bit <= RETRY_ON_RESET; bit <<= 1) {
            const struct conf conf = {.retry_on = bit};
            CHECK_INT(retry_wanted(&conf, OBSERVATION_CONNECT_FAILED, rows[i].error), rows[i].bit == bit);
        }
    const struct conf timeout = {.retry_on = RETRY_ON_TIMEOUT};
    CHECK(retry_wanted(&timeout, OBSERVATION_CONNECT_TIMEOUT, EINPROGRESS));
}

static struct conf backoff_conf(int64_t backoff, struct jitter jitter)
{
    return (struct conf){.retry_backoff = backoff,
                         .retry_base_ns = 100 * (int64_t)MS,
                         .retry_factor_ppm = 2 * PPM,
                         .retry_max_ns = 3600 * (int64_t)S,
                         .retry_jitter = jitter_pack(jitter)};
}

static void test_retry_delay(void)
{
    struct conf conf = backoff_conf(BACKOFF_FIBONACCI, (struct jitter){.form = JITTER_OFF});
    CHECK_INT(retry_delay_ns(&conf, 1, 0, 1), 100 * MS);
    CHECK_INT(retry_delay_ns(&conf, 12, 0, 1), 14400 * MS);
    CHECK_INT(retry_delay_ns(&conf, 100, 0, 1), 3600 * S);
    conf = backoff_conf(BACKOFF_EXPONENTIAL, (struct jitter){.form = JITTER_OFF});
    CHECK_INT(retry_delay_ns(&conf, 100, 0, 1), 3600 * S);
    conf = backoff_conf(BACKOFF_EXPONENTIAL, (struct jitter){.form = JITTER_PLUS_SHARE, .low = PPM});
    conf.retry_max_ns = 150 * (int64_t)MS;
    CHECK_INT(retry_delay_ns(&conf, 1, 0, UINT64_MAX), 150 * MS); /* capped again */
    conf = backoff_conf(BACKOFF_EXPONENTIAL, (struct jitter){JITTER_TIMES, 5000, 15000});
    conf.retry_max_ns = 150 * (int64_t)MS;
    CHECK_INT(retry_delay_ns(&conf, 9, 0, 0), 75 * MS); /* after the cap */
    CHECK(retry_delay_ns(&conf, 9, 0, UINT64_MAX) > 224 * MS && retry_delay_ns(&conf, 9, 0, UINT64_MAX) <= 225 * MS);
}

/* ---- budget ----------------------------------------------------------------------------------- */

static uint64_t budget[10];

static void add(const struct conf *conf, uint64_t now_ns, bool retry)
{
    uint64_t epoch = budget_epoch(conf, now_ns);
    budget[epoch % 10] = budget_add(budget[epoch % 10], epoch, retry);
}

static bool try_one(const struct conf *conf, uint64_t now_ns)
{
    uint64_t epoch = budget_epoch(conf, now_ns);
    add(conf, now_ns, true);
    if (budget_kept(conf, budget, epoch))
        return true;
    budget[epoch % 10] = budget_take_back(budget[epoch % 10], epoch);
    return false;
}

static struct conf budget_conf(uint32_t share_milli_percent, uint32_t per_second, uint32_t seconds)
{
    memset(budget, 0, sizeof budget);
    return (struct conf){.retry_budget = budget_pack((struct budget){share_milli_percent, per_second, seconds})};
}

static int allowed_of_pairs(uint32_t share_milli_percent)
{
    const struct conf conf = budget_conf(share_milli_percent, 0, 60);
    int allowed = 0;
    for (int i = 0; i < 10000; i++) {
        add(&conf, 1000 * S, false);
        allowed += try_one(&conf, 1000 * S);
    }
    return allowed;
}

static int allowed_of(const struct conf *conf, uint64_t now_ns, int tries)
{
    int allowed = 0;
    for (int i = 0; i < tries; i++)
        allowed += try_one(conf, now_ns);
    return allowed;
}

static void test_budget(void)
{
    CHECK(allowed_of_pairs(10000) >= 999 && allowed_of_pairs(10000) <= 1001);
    CHECK(allowed_of_pairs(75000) >= 7499 && allowed_of_pairs(75000) <= 7501);
    CHECK_INT(allowed_of_pairs(0), 0);
    struct conf conf = budget_conf(0, 10, 1);
    CHECK_INT(allowed_of(&conf, 1000 * S, 20), 10);
    CHECK_INT(allowed_of(&conf, 1000 * S + 900 * MS, 20), 0);
    CHECK_INT(allowed_of(&conf, 1001 * S, 20), 10);
    conf = budget_conf(200000, 0, 60);
    for (int i = 0; i < 10000; i++)
        add(&conf, 1000 * S, false);
    CHECK_INT(allowed_of(&conf, 1000 * S, 25000), 20000);
    const struct conf off = {.retry_budget = CONF_OFF};
    CHECK(budget_kept(&off, budget, 0));
}

/* Ten tenths, also of words that no call has overwritten yet: a retry looks, and none came at its own tenth. */
static void test_budget_ends(void)
{
    const struct conf conf = budget_conf(100000, 0, 10);
    for (uint64_t epoch = 100; epoch <= 111; epoch++) {
        const uint64_t buckets[10] = {[0] = budget_add(0, 100, false), [5] = budget_add(0, epoch, true)};
        CHECK_INT(budget_kept(&conf, buckets, epoch), epoch <= 109);
    }
}

static void test_budget_words(void)
{
    /* Full counts are halved, both: the share stays true. */
    uint64_t full = 7ull << 48 | 0xffffffull << 24 | 1000;
    CHECK_INT(budget_add(full, 7, true), 7ull << 48 | 0x7fffffull << 24 | 501);
    CHECK_INT(budget_add(7ull << 48 | 1000ull << 24 | 0xffffff, 7, false), 7ull << 48 | 501ull << 24 | 0x7fffff);
    /* What another tenth counted is forgotten, and cannot be taken back from this one. */
    CHECK_INT(budget_add(full, 17, false), 17ull << 48 | 1ull << 24);
    CHECK_INT(budget_take_back(17ull << 48 | 1ull << 24 | 3, 17), 17ull << 48 | 1ull << 24 | 2);
    CHECK_INT(budget_take_back(17ull << 48 | 1ull << 24 | 3, 7), 17ull << 48 | 1ull << 24 | 3);
    CHECK_INT(budget_take_back(17ull << 48 | 1ull << 24, 17), 17ull << 48 | 1ull << 24);
    struct budget budgets = budget_unpack(budget_pack((struct budget){100000, 4000000, 86400}));
    CHECK(budgets.share_milli_percent == 100000 && budgets.per_second == 4000000 && budgets.seconds == 86400);
}

/* ---- classification --------------------------------------------------------------------------- */

static void test_classify_connect(void)
{
    static const int failed[] = {ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN,
                                 ENETDOWN,  ENONET,       ECONNRESET,   ECONNABORTED};
    static const int local[] = {EMFILE, ENFILE, EADDRNOTAVAIL, EADDRINUSE, EACCES, EPERM, ENOBUFS, ENOMEM};
    CHECK_INT(classify_connect(0, false), OBSERVATION_CONNECTED);
    for (size_t i = 0; i < sizeof failed / sizeof failed[0]; i++)
        CHECK_INT(classify_connect(failed[i], false), OBSERVATION_CONNECT_FAILED);
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        CHECK_INT(classify_connect(local[i], false), OBSERVATION_LOCAL_ERROR);
    /* Of a path they speak of its server; of an address, of our ports. */
    CHECK_INT(classify_connect(EAGAIN, true), OBSERVATION_CONNECT_FAILED);
    CHECK_INT(classify_connect(ENOENT, true), OBSERVATION_CONNECT_FAILED);
    CHECK_INT(classify_connect(EAGAIN, false), OBSERVATION_LOCAL_ERROR);
}

static void test_classify_exchange(void)
{
    static const int stale[] = {0, ECONNRESET, EPIPE};
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) {
        enum observation otherwise = stale[i] ? OBSERVATION_RESET : OBSERVATION_EMPTY_RESPONSE;
        CHECK_INT(classify_exchange(stale[i], true, STALE_GRACE_NS - 1), OBSERVATION_STALE);
        CHECK_INT(classify_exchange(stale[i], true, STALE_GRACE_NS), otherwise);
        CHECK_INT(classify_exchange(stale[i], false, 0), otherwise);
    }
    CHECK_INT(classify_exchange(ETIMEDOUT, true, 0), OBSERVATION_RESET);
}

static void test_classify_abandoned(void)
{
    struct conf conf = {.breaker_slow_time_ns = 200};
    CHECK_INT(classify_abandoned(&conf, 300, 199), OBSERVATION_ABANDONED);
    CHECK_INT(classify_abandoned(&conf, 300, 200), OBSERVATION_ABANDONED_SLOW);
    conf.breaker_slow_time_ns = CONF_OFF;
    CHECK_INT(classify_abandoned(&conf, 300, 299), OBSERVATION_ABANDONED);
    CHECK_INT(classify_abandoned(&conf, 300, 300), OBSERVATION_ABANDONED_SLOW);
    CHECK_INT(classify_abandoned(&conf, CONF_OFF, UINT64_MAX), OBSERVATION_ABANDONED);
}

/* ignore wins over failure_on, both over the table. */
static void test_classify_outcome(void)
{
    struct conf conf = {0};
    CHECK_INT(classify_outcome(&conf, OBSERVATION_RESET), OUTCOME_FAILURE);
    conf.breaker_failure_on = (int64_t)1 << OBSERVATION_STALE;
    CHECK_INT(classify_outcome(&conf, OBSERVATION_STALE), OUTCOME_FAILURE);
    conf.breaker_ignore = (int64_t)1 << OBSERVATION_STALE | (int64_t)1 << OBSERVATION_RESET;
    CHECK_INT(classify_outcome(&conf, OBSERVATION_STALE), OUTCOME_IGNORED);
    CHECK_INT(classify_outcome(&conf, OBSERVATION_RESET), OUTCOME_IGNORED);
}

int main(void)
{
    test_breaker_word();
    test_breaker_at_rest();
    test_breaker_wait();
    test_breaker_open_time();
    test_breaker_without_lease();
    test_window_is_halved();
    test_window_ends();
    test_lease();
    test_rate();
    test_retry_wanted();
    test_retry_delay();
    test_budget();
    test_budget_ends();
    test_budget_words();
    test_classify_connect();
    test_classify_exchange();
    test_classify_abandoned();
    test_classify_outcome();
    return check_end();
}
