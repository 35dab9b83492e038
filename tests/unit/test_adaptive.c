/* SPDX-License-Identifier: MIT
 * The adaptive limit: single windows with known results, words of any content, and many processes on one row. */
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/adaptive.h"
#include "segment/limit.h"
#include "tests/unit/check.h"

#define MS      1000000ull
#define S       (1000 * MS)
#define ROUNDS  200000
#define WORKERS 4

static struct adaptive state;
static struct conf conf;
static uint64_t now_ns;

static uint64_t next_random(void)
{
    static uint64_t seed = 0x9e3779b97f4a7c15ull;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void begin(int64_t algorithm, int64_t limit)
{
    state = (struct adaptive){0};
    conf =
        (struct conf){.bulkhead_adaptive = algorithm, .bulkhead_limit = limit, .bulkhead_min = 3, .bulkhead_max = 200};
    now_ns = 100 * S;
}

static void sample(uint64_t started_ns, uint32_t in_flight, bool dropped)
{
    struct adaptive_sample one = {started_ns, now_ns - started_ns, in_flight, dropped};
    state = adaptive_step(&state, &conf, &one, now_ns);
}

/* Ten calls of one latency, begun after the last change, that end within somewhat more than a second. */
static uint32_t window(uint64_t latency_ns, uint32_t in_flight, bool dropped)
{
    if (state.limit == 0) { /* the first one begins with its first sample */
        state.limit = adaptive_limit(0, &conf);
        state.windows = 55;
        state.window_ms = (uint32_t)(now_ns / MS);
    }
    now_ns += latency_ns;
    for (int i = 0; i < 10; i++) {
        now_ns += 101 * MS;
        sample(now_ns - latency_ns, in_flight, dropped);
    }
    return state.limit;
}

static void test_windows(void)
{
    begin(ADAPTIVE_AIMD, 10);
    CHECK_INT(adaptive_limit(0, &conf), 10);
    now_ns += 5 * S;
    for (int i = 0; i < 9; i++) {
        sample(now_ns - MS, 10, false);
        CHECK_INT(state.limit, 10);
    }
    now_ns += 999 * MS;
    sample(now_ns - MS, 10, false); /* ten, but not a second */
    CHECK_INT(state.limit, 10);
    now_ns += MS;
    sample(now_ns - MS, 10, false);
    CHECK_INT(state.limit, 11);
    now_ns += 5 * S;
    for (int i = 0; i < 9; i++)
        sample(now_ns - MS, 10, false); /* a second, but not ten */
    CHECK_INT(state.limit, 11);
    sample(state.changed_ns - 1, 10, false); /* begun before the change */
    CHECK_INT(state.limit, 11);
    sample(state.changed_ns, 10, false);
    CHECK_INT(state.limit, 12);
}

static void test_aimd(void)
{
    begin(ADAPTIVE_AIMD, 100);
    CHECK_INT(window(10 * MS, 100, false), 101);
    CHECK_INT(window(10 * MS, 51, false), 102);
    CHECK_INT(window(10 * MS, 50, false), 102); /* less than half in use */
    CHECK_INT(window(10 * MS, 1, true), 91);
    CHECK_INT(window(10 * MS, 100, true), 81);
    for (int i = 0; i < 50; i++)
        window(10 * MS, 100, true);
    CHECK_INT(state.limit, 3);
    for (int i = 0; i < 300; i++)
        window(10 * MS, 200, false);
    CHECK_INT(state.limit, 200);
    /* A drop from before the last reduction is old, one from before a growth is not. */
    begin(ADAPTIVE_AIMD, 50);
    CHECK_INT(window(10 * MS, 50, true), 45);
    uint64_t reduced_ns = state.reduced_ns;
    CHECK_INT(window(10 * MS, 50, false), 46);
    now_ns += 2 * S;
    for (int i = 0; i < 20; i++)
        sample(reduced_ns - 1, 50, true);
    CHECK_INT(state.limit, 46);
    for (int i = 0; i < 10; i++)
        sample(reduced_ns + 1, 50, true);
    CHECK_INT(state.limit, 41);
}

static void test_gradient(void)
{
    begin(ADAPTIVE_GRADIENT, 100);
    CHECK_INT(window(10 * MS, 100, false), 136); /* 125 + 11 */
    state.windows = 0;                           /* no special one here */
    CHECK_INT(window(10 * MS, 136, false), 183); /* 170 + 13 */
    CHECK_INT(window(20 * MS, 183, false), 124); /* 114 + 10 */
    CHECK_INT(window(200 * MS, 124, false), 69); /* not below the half: 62 + 7 */
    CHECK_INT(window(10 * MS, 34, false), 69);   /* idle: nothing grows */
    state.windows = 0;
    CHECK_INT(window(20 * MS, 34, false), 49); /* but shrinks: 43 + 6 */
    CHECK_INT(window(10 * MS, 69, true), 44);
    begin(ADAPTIVE_GRADIENT, 4);
    CHECK_INT(window(0, 4, false), 7); /* no time at all is a microsecond */
}

static void test_vegas(void)
{
    begin(ADAPTIVE_VEGAS, 50);
    CHECK_INT(window(10 * MS, 50, false), 50);           /* finds the baseline */
    state.windows = 0;                                   /* no special one here */
    CHECK_INT(window(10 * MS, 50, false), 56);           /* no queue: + 6 */
    CHECK_INT(window(10 * MS, 27, false), 56);           /* idle */
    CHECK_INT(window(10366 * MS / 1000, 56, false), 57); /* a queue of 2 */
    CHECK_INT(window(11 * MS, 57, false), 57);           /* of 6 */
    CHECK_INT(window(12 * MS, 57, false), 56);           /* of 10 */
    CHECK_INT(window(10 * MS, 56, true), 55);
    begin(ADAPTIVE_VEGAS, 150);
    window(10 * MS, 150, false);
    CHECK_INT(window(10 * MS, 150, false), 162); /* lg is 2 */
    CHECK_INT(window(10 * MS, 162, true), 160);
}

/* Windows until a special one begins. */
static int until_special(uint64_t latency_ns, uint32_t in_flight)
{
    int windows = 0;
    while (state.held == 0 && windows < 5000) {
        window(latency_ns, in_flight ? in_flight : state.limit, false);
        windows++;
    }
    return windows;
}

static void test_special_windows(void)
{
    begin(ADAPTIVE_VEGAS, 100);
    CHECK_INT(until_special(10 * MS, 100), 5); /* limits grow: 100, then 112, 124 ... */
    CHECK_INT(state.held, 148);
    CHECK_INT(state.limit, 50); /* half of what was in flight */
    window(10 * MS, 60, false); /* more than that: not yet */
    CHECK_INT(state.held, 148);
    CHECK_INT(window(8500 * MS / 1000, 50, false), 148);
    CHECK_INT(state.held, 0);
    CHECK_INT(state.baseline_us, 8500);
    for (int round = 0; round < 3; round++) { /* in use: each 60 */
        CHECK_INT(until_special(8500 * MS / 1000, 0), 60);
        CHECK_INT(window(8500 * MS / 1000, 1, false), 200);
    }
    CHECK_INT(state.calm, 4);
    CHECK_INT(until_special(8500 * MS / 1000, 80), 60 * 16); /* more and more seldom when idle */
    CHECK_INT(state.limit, 40);
    window(8500 * MS / 1000, 1, false);
    CHECK_INT(until_special(8500 * MS / 1000, 80), 60 * 32);
    window(8500 * MS / 1000, 1, false);
    CHECK_INT(until_special(8500 * MS / 1000, 80), 60 * 64);
    window(8500 * MS / 1000, 1, false);
    CHECK_INT(until_special(8500 * MS / 1000, 80), 60 * 64);
    window(6500 * MS / 1000, 1, false); /* much less: soon again */
    CHECK_INT(until_special(6500 * MS / 1000, 80), 5);
    window(6500 * MS / 1000, 1, true); /* dropped */
    CHECK_INT(state.limit, 180);
    begin(ADAPTIVE_AIMD, 100);
    CHECK_INT(until_special(10 * MS, 100), 5000); /* has no baseline */
}

/* Where a lower load cannot be had, the special window ends all the same. */
static void test_patience(void)
{
    begin(ADAPTIVE_VEGAS, 100);
    until_special(10 * MS, 100);
    int windows = 0;
    while (state.held && windows < 100) {
        window(20 * MS, 100, false);
        windows++;
    }
    CHECK(windows >= 5 && windows <= 6);
    CHECK_INT(state.baseline_us, 20000);
}

/* A baseline that nothing reaches any more: five windows at the minimum. */
static void test_minimum(void)
{
    begin(ADAPTIVE_GRADIENT, 3);
    window(MS, 3, false);
    state.limit = 3;
    state.windows = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_INT(state.baseline_us, 1000);
        CHECK_INT(window(50 * MS, 3, false), 3);
    }
    CHECK_INT(state.baseline_us, 50000);
    CHECK_INT(state.held, 0);
    CHECK_INT(window(50 * MS, 3, false), 4);
    state.limit = 3;
    for (int i = 0; i < 5; i++)
        window(500 * MS, 9, false); /* although others hold more: less cannot be had */
    CHECK_INT(state.held, 0);
    CHECK_INT(state.baseline_us, 500000);
}

static bool same(const struct adaptive *a, const struct adaptive *b)
{
    uint64_t left[ADAPTIVE_WORDS], right[ADAPTIVE_WORDS];
    adaptive_pack(a, left);
    adaptive_pack(b, right);
    return memcmp(left, right, sizeof left) == 0;
}

/* Whatever the words hold, the limit is within its bounds, what is packed comes back, and ten calls later the state
 * goes on. */
static void test_any_words(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t words[ADAPTIVE_WORDS], again[ADAPTIVE_WORDS];
        begin((int64_t)(next_random() % 3) + ADAPTIVE_AIMD, (int64_t)(next_random() % 300) - 1);
        conf.bulkhead_min = (int64_t)(next_random() % 100) + 1;
        conf.bulkhead_max = (int64_t)(next_random() % (next_random() % 3 ? 100 : 60000)) + 1;
        now_ns = next_random() >> next_random() % 60;
        for (int i = 0; i < ADAPTIVE_WORDS; i++)
            words[i] = next_random() >> next_random() % 64;
        state = adaptive_unpack(words);
        adaptive_pack(&state, again);
        CHECK(memcmp(words, again, sizeof words) == 0);
        int64_t low = conf.bulkhead_min < conf.bulkhead_max ? conf.bulkhead_min : conf.bulkhead_max;
        bool ended = false;
        for (int i = 0; i < 12; i++) {
            uint64_t before = state.window_ms;
            now_ns += 6 * S;
            sample(now_ns - (next_random() % 2 ? 0 : MS), (uint32_t)(next_random() % 70000), next_random() % 4 == 0);
            ended |= state.window_ms != before;
            CHECK(state.limit >= low && state.limit <= conf.bulkhead_max);
            adaptive_pack(&state, again);
            struct adaptive unpacked = adaptive_unpack(again);
            CHECK(same(&unpacked, &state) && unpacked.limit == state.limit && unpacked.sum_us == state.sum_us);
            CHECK_INT(adaptive_limit(again[0], &conf), state.limit);
        }
        CHECK(ended);
    }
}

/* Processes that sample one row at once, some of them killed: the limit stays within its bounds and goes on moving. */
static void test_processes(void)
{
    struct seg_row *row = mmap(NULL, sizeof *row, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t workers[WORKERS];
    if (!CHECK(row != MAP_FAILED))
        return;
    begin(ADAPTIVE_AIMD, 20);
    CHECK_INT(limit_now(row, &conf), 20);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            for (uint64_t step = 0;; step++)
                limit_sample(row, row, &conf, step * MS, step % 7 == 0 && i == 0, step * MS + 1000);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        usleep(30000);
        kill(workers[i], SIGKILL);
        waitpid(workers[i], NULL, 0);
        CHECK(limit_now(row, &conf) >= 3 && limit_now(row, &conf) <= 200);
    }
    int64_t before = limit_now(row, &conf);
    now_ns = 1ull << 60;
    for (int i = 0; i < 50; i++, now_ns += 500 * MS)
        limit_sample(row, row, &conf, now_ns - 1000, true, now_ns);
    CHECK(limit_now(row, &conf) < before || before == 3);
    CHECK(limit_now(row, &conf) >= 3);
    conf.bulkhead_adaptive = ADAPTIVE_OFF;
    CHECK_INT(limit_now(row, &conf), 20);
    conf.bulkhead_limit = CONF_OFF;
    CHECK_INT(limit_now(row, &conf), CONF_OFF);
    munmap(row, sizeof *row);
}

int main(void)
{
    test_windows();
    test_aimd();
    test_gradient();
    test_vegas();
    test_special_windows();
    test_patience();
    test_minimum();
    test_any_words();
    test_processes();
    return check_end();
}
