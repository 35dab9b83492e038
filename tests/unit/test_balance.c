/* SPDX-License-Identifier: MIT
 * The balancer: exact sequences, shares, and who may be picked at all. */
#include <math.h>
#include <stdlib.h>

#include "base/prng.h"
#include "check.h"
#include "policy/balance.h"
#include "policy/conf.h"

enum { PICKS = 200000 };
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct balance_host host[BALANCE_HOSTS];
static struct balance_call call;
static uint8_t cycle[2][BALANCE_CYCLE];

/* Healthy endpoints of these weights. */
static void set_up(int64_t strategy, uint32_t count, const uint16_t *weights)
{
    call =
        (struct balance_call){.strategy = strategy, .max_eject_ppm = PPM, .panic_ppm = CONF_OFF, .kept = BALANCE_HOSTS};
    for (uint32_t i = 0; i < count; i++)
        host[i] = (struct balance_host){.weight = weights ? weights[i] : 1, .share = BALANCE_WHOLE_SHARE};
}

static void write_sequences(uint32_t count)
{
    uint16_t weight[BALANCE_HOSTS];
    uint8_t member[BALANCE_HOSTS];
    for (uint8_t tier = 0; tier < 2; tier++) {
        for (uint32_t i = 0; i < count; i++) {
            weight[i] = host[i].weight;
            member[i] = host[i].backup == tier;
        }
        call.sequence[tier] = (struct balance_sequence){cycle[tier], balance_cycle(weight, member, count, cycle[tier])};
    }
}

/* The picks as letters; '-' for a refusal, upper case where the breaker is ignored. */
static const char *picks(uint32_t count, uint32_t number)
{
    static char text[64];
    uint32_t i;
    for (i = 0; i < number && i + 1 < sizeof text; i++) {
        call.number = i;
        call.random = prng_at(7, 1, i);
        struct balance_choice choice = balance_pick(host, count, &call);
        text[i] = (char)(choice.verdict != VERDICT_ADMIT ? '-' : (choice.insist ? 'A' : 'a') + (int)choice.index);
    }
    text[i] = '\0';
    return text;
}

static void tally(uint32_t count, uint32_t number, uint32_t *sum)
{
    memset(sum, 0, count * sizeof *sum);
    for (uint32_t i = 0; i < number; i++) {
        call.number = i;
        call.random = prng_at(3, 1, i);
        call.key = prng_at(5, 1, i);
        sum[balance_pick(host, count, &call).index]++;
    }
}

static void check_shares(uint32_t count, uint32_t number, const double *want, double tolerance, const char *what)
{
    uint32_t sum[BALANCE_HOSTS];
    tally(count, number, sum);
    for (uint32_t i = 0; i < count; i++)
        if (!CHECK(fabs((double)sum[i] / number - want[i]) <= tolerance))
            fprintf(stderr, "  %s: endpoint %u: %.4f, want %.4f\n", what, i, (double)sum[i] / number, want[i]);
}

static void test_sequences(void)
{
    set_up(BALANCE_WEIGHTED, 3, (const uint16_t[]){5, 1, 1});
    write_sequences(3);
    CHECK_TEXT(picks(3, 14), "aabacaaaabacaa");
    set_up(BALANCE_WEIGHTED, 3, (const uint16_t[]){10, 2, 2}); /* only the proportions count */
    write_sequences(3);
    CHECK_INT(call.sequence[0].length, 7);
    CHECK_TEXT(picks(3, 7), "aabacaa");
    host[0].state = BALANCE_OPEN; /* the others keep their proportion */
    CHECK_TEXT(picks(3, 6), "bcbcbc");
    host[0].state = BALANCE_READY;
    host[2].state = BALANCE_OPEN;
    CHECK_TEXT(picks(3, 7), "aabaaaa");
    set_up(BALANCE_ROUND_ROBIN, 3, (const uint16_t[]){9, 1, 1});
    CHECK_TEXT(picks(3, 7), "abcabca");
    host[1].state = BALANCE_OPEN;
    CHECK_TEXT(picks(3, 6), "acacac");
    set_up(BALANCE_FIRST, 3, NULL);
    CHECK_TEXT(picks(3, 3), "aaa");
    host[0].state = BALANCE_SHUT;
    CHECK_TEXT(picks(3, 3), "bbb");
    set_up(BALANCE_LEAST_CONN, 3, NULL);
    CHECK_TEXT(picks(3, 6), "abcabc");
    host[0].load = 4, host[1].load = 3, host[2].load = 3;
    CHECK_TEXT(picks(3, 4), "bcbc");
    host[0].weight = 2;
    CHECK_TEXT(picks(3, 3), "aaa");
}

/* Every cycle of every small weight vector: each endpoint exactly as often as its weight says, never far off before. */
static void test_cycles(void)
{
    uint8_t out[BALANCE_CYCLE], member[4] = {1, 1, 1, 1};
    for (uint32_t code = 0; code < 9 * 9 * 9 * 9; code++) {
        uint16_t weight[4] = {(uint16_t)(code % 9 + 1), (uint16_t)(code / 9 % 9 + 1), (uint16_t)(code / 81 % 9 + 1),
                              (uint16_t)(code / 729 + 1)};
        uint32_t whole = weight[0] + 0u + weight[1] + weight[2] + weight[3], sum[4] = {0}, stride[4] = {0}, bad = 0;
        uint32_t wide[4] = {weight[0], weight[1], weight[2], weight[3]};
        uint32_t length = balance_cycle(weight, member, 4, out);
        for (uint32_t turn = 0; turn < whole; turn++) {
            sum[out[turn % length]]++;
            uint32_t pick = balance_stride(wide, 4, turn);
            stride[pick < 4 ? pick : 0]++;
            for (int i = 0; i < 4; i++) {
                double due = (double)weight[i] * (turn + 1) / whole;
                bad += fabs(sum[i] - due) > 2 || fabs(stride[i] - due) > 2;
            }
        }
        if (!CHECK(bad == 0 && memcmp(sum, wide, sizeof sum) == 0 && memcmp(stride, wide, sizeof sum) == 0))
            return;
    }
    uint16_t heavy[8];
    uint8_t all[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    uint32_t wide[8], sum[8] = {0}, whole = 0;
    for (uint32_t i = 0; i < 8; i++)
        whole += wide[i] = heavy[i] = (uint16_t)(1000 - i * 7);
    CHECK_INT(balance_cycle(heavy, all, 8, out), 0); /* too long to be written down */
    for (uint32_t turn = 0; turn < whole; turn++)
        sum[balance_stride(wide, 8, turn + 5 * (uint64_t)whole)]++;
    CHECK(memcmp(sum, wide, sizeof sum) == 0);
    CHECK_INT(balance_stride((const uint32_t[]){0, 0}, 2, 9), BALANCE_HOSTS);
    uint32_t largest[BALANCE_HOSTS];
    for (uint32_t i = 0; i < BALANCE_HOSTS; i++)
        largest[i] = 1000000;
    for (uint32_t turn = 0; turn < 1024; turn++)
        CHECK_INT(balance_stride(largest, BALANCE_HOSTS, turn), turn % BALANCE_HOSTS);
    set_up(BALANCE_WEIGHTED, 8, heavy);
    double want[8];
    for (uint32_t i = 0; i < 8; i++)
        want[i] = (double)heavy[i] / whole;
    check_shares(8, whole, want, 0, "weighted, long cycle");
}

static void test_shares(void)
{
    static const uint16_t weights[] = {5, 3, 2};
    static const double by_weight[] = {0.5, 0.3, 0.2}, even[] = {1 / 3., 1 / 3., 1 / 3.};
    set_up(BALANCE_RANDOM, 3, weights);
    check_shares(3, PICKS, by_weight, 0.005, "random");
    set_up(BALANCE_IP_HASH, 3, weights);
    check_shares(3, PICKS, by_weight, 0.005, "ip_hash");
    set_up(BALANCE_P2C, 3, NULL);
    check_shares(3, PICKS, even, 0.005, "p2c");
    host[0].load = 5; /* wins against nobody */
    check_shares(3, PICKS, (const double[]){0, 0.5, 0.5}, 0.005, "p2c, one loaded");
    set_up(BALANCE_P2C, 2, (const uint16_t[]){3, 1});
    check_shares(2, PICKS, (const double[]){0.75, 0.25}, 0.005, "p2c by weight");
    set_up(BALANCE_LEAST_TIME, 3, NULL);
    host[0].load = balance_cost(1000, 0), host[1].load = balance_cost(2000, 0), host[2].load = balance_cost(1000, 2);
    check_shares(3, PICKS, (const double[]){2 / 3., 1 / 3., 0}, 0.005, "least_time");
    set_up(BALANCE_LEAST_CONN, 3, weights);
    check_shares(3, PICKS, by_weight, 0.0001, "least_conn, idle");
    set_up(BALANCE_ROUND_ROBIN, 3, weights);
    host[2].share = 100; /* warming up: a tenth */
    check_shares(3, PICKS, (const double[]){10 / 21., 10 / 21., 1 / 21.}, 0.0001, "round_robin, slow start");
    set_up(BALANCE_WEIGHTED, 3, weights);
    write_sequences(3);
    host[2].share = 500;
    check_shares(3, PICKS, (const double[]){5 / 9., 3 / 9., 1 / 9.}, 0.0001, "weighted, slow start");
    set_up(BALANCE_RANDOM, 3, NULL);
    host[1].state = BALANCE_OPEN;
    check_shares(3, PICKS, (const double[]){0.5, 0, 0.5}, 0.005, "random, one open");
    set_up(BALANCE_P2C, 3, NULL);
    host[1].state = BALANCE_OPEN; /* p2c never picks an ejected endpoint unless panic */
    check_shares(3, PICKS, (const double[]){0.5, 0, 0.5}, 0.005, "p2c, one open");
    call.panic_ppm = 700000;
    check_shares(3, PICKS, even, 0.005, "p2c, panic");
}

/* An ejected endpoint's callers move, nobody else's. */
static void test_keys(int64_t strategy, bool by_key)
{
    static uint8_t table[BALANCE_TABLE];
    uint8_t taken[BALANCE_TABLE / 8 + 1] = {0};
    static const uint16_t weights[] = {1, 1, 1, 1};
    const uint64_t hashes[] = {balance_hash("a:1", 3), balance_hash("b:1", 3), balance_hash("c:1", 3),
                               balance_hash("d:1", 3)};
    uint32_t moved[4] = {0}, before[4] = {0};
    balance_maglev(weights, hashes, 4, table, BALANCE_TABLE, taken);
    set_up(strategy, 4, weights);
    call.table = table, call.table_size = BALANCE_TABLE, call.by_key = by_key;
    for (uint32_t i = 0; i < 20000; i++) {
        call.key = prng_at(9, 1, i);
        host[2].state = BALANCE_READY;
        uint32_t whole = balance_pick(host, 4, &call).index;
        before[whole]++;
        host[2].state = BALANCE_OPEN;
        uint32_t without = balance_pick(host, 4, &call).index;
        moved[without] += whole != without;
        CHECK(without != 2 && (whole == 2 || whole == without));
    }
    for (int i = 0; i < 4; i++) {
        CHECK(before[i] > 4700 && before[i] < 5300);
        CHECK(i == 2 ? moved[i] == 0 : moved[i] > 1400 && moved[i] < 1950);
    }
}

static void test_maglev(void)
{
    static uint8_t table[BALANCE_TABLE], taken[BALANCE_TABLE / 8 + 1];
    uint64_t hashes[6];
    char name[] = "host0:80";
    uint32_t sum[6] = {0};
    for (int i = 0; i < 6; i++) {
        name[4] = (char)('0' + i);
        hashes[i] = balance_hash(name, sizeof name - 1);
    }
    balance_maglev((const uint16_t[]){1, 2}, hashes, 2, table, BALANCE_TABLE, taken);
    for (uint32_t i = 0; i < BALANCE_TABLE; i++)
        sum[table[i]]++;
    CHECK_INT(sum[0], 21846);
    CHECK_INT(sum[1], 43691);
    memset(taken, 0, sizeof taken);
    memset(sum, 0, sizeof sum);
    memset(table, 0xff, sizeof table);
    balance_maglev((const uint16_t[]){1, 1, 1, 1, 1, 1}, hashes, 6, table, 7, taken);
    for (int i = 0; i < 7; i++)
        sum[table[i]]++;
    for (int i = 0; i < 6; i++)
        CHECK(sum[i] == 1 || sum[i] == 2);
    CHECK_INT(table[7], 0xff);
    memset(taken, 0, sizeof taken);
    balance_maglev((const uint16_t[]){0, 0}, hashes, 2, table, 7, taken); /* nobody: ends */
    memset(taken, 0, sizeof taken);
    balance_maglev((const uint16_t[]){0, 1}, hashes, 2, table, 7, taken);
    for (int i = 0; i < 7; i++)
        CHECK_INT(table[i], 1);
}

static void set_states(const char *states)
{
    for (uint32_t i = 0; states[i]; i++)
        host[i].state = states[i] == 'r'   ? BALANCE_READY
                        : states[i] == 'o' ? BALANCE_OPEN
                        : states[i] == 's' ? BALANCE_SHUT
                                           : BALANCE_OUT;
}

/* states: r ready, o open, s shut, x out of reach; want: picks of round_robin, upper case where the breaker is ignored
 */
static const struct {
    const char *states, *backup; /* backup: '1' for those that are */
    int64_t max_eject_ppm, panic_ppm;
    const char *want;
} may_rows[] = {
    {"rrrr", "0000", PPM, CONF_OFF, "abcd"},
    {"oorr", "0000", PPM, CONF_OFF, "cdcd"},
    {"oooo", "0000", PPM, CONF_OFF, "----"},
    {"ssss", "0000", PPM, PPM, "----"},
    {"ssor", "0000", PPM, PPM, "CdCd"},
    {"xxxx", "0000", PPM, CONF_OFF, "----"},
    {"xrxr", "0000", PPM, CONF_OFF, "bdbd"},
    /* max_eject: the first ones of the list are passed over, the rest is not */
    {"oooo", "0000", 500000, CONF_OFF, "CDCD"},
    {"ooor", "0000", 500000, CONF_OFF, "CdCd"},
    {"oorr", "0000", 490000, CONF_OFF, "BcdB"}, /* 49% of 4: one */
    {"oorr", "0000", 1000, CONF_OFF, "BcdB"},   /* always at least one of two or more */
    {"oorr", "0000", 0, CONF_OFF, "ABcd"},      /* but none at 0% */
    {"oxxx", "0000", 500000, CONF_OFF, "AAAA"}, /* 50% of one: none */
    {"oxxx", "0000", PPM, CONF_OFF, "----"},
    {"orxx", "0000", 1000, CONF_OFF, "bbbb"},
    /* panic: with fewer left than the share */
    {"oorr", "0000", PPM, 500000, "cdcd"},
    {"ooor", "0000", PPM, 500000, "ABCd"},
    {"oooo", "0000", PPM, 1000, "ABCD"},
    /* backups only when no primary may be picked */
    {"rrrr", "0011", PPM, CONF_OFF, "abab"},
    {"orrr", "0011", PPM, CONF_OFF, "bbbb"},
    {"oorr", "0011", PPM, CONF_OFF, "cdcd"},
    {"sxrr", "0011", PPM, CONF_OFF, "cdcd"},
    {"ooor", "0011", PPM, 500000, "dddd"}, /* no panic while a backup is ready, in its own tier neither */
    {"oooo", "0011", PPM, 500000, "ABAB"},
    {"oooo", "0011", PPM, CONF_OFF, "----"},
    {"orxx", "0100", 100000, CONF_OFF, "bbbb"}, /* one of two may be passed over: the backup serves */
    {"rrrr", "1111", PPM, CONF_OFF, "abcd"},
};

static void test_who_may(void)
{
    for (size_t row = 0; row < sizeof may_rows / sizeof may_rows[0]; row++) {
        set_up(BALANCE_ROUND_ROBIN, 4, NULL);
        set_states(may_rows[row].states);
        for (int i = 0; i < 4; i++)
            host[i].backup = may_rows[row].backup[i] == '1';
        call.max_eject_ppm = may_rows[row].max_eject_ppm;
        call.panic_ppm = may_rows[row].panic_ppm;
        if (!CHECK_TEXT(picks(4, 4), may_rows[row].want))
            fprintf(stderr, "  in row %zu: %s %s\n", row, may_rows[row].states, may_rows[row].backup);
    }
    set_up(BALANCE_FIRST, 2, NULL);
    set_states("xx");
    CHECK_INT(balance_pick(host, 2, &call).verdict, VERDICT_NO_ENDPOINT);
    CHECK_INT(balance_pick(host, 0, &call).verdict, VERDICT_NO_ENDPOINT);
    set_states("xo");
    CHECK_INT(balance_pick(host, 2, &call).verdict, VERDICT_BREAKER_OPEN);
    call.insist = true;
    CHECK_TEXT(picks(2, 2), "BB");
}

static void test_preferences(void)
{
    set_up(BALANCE_FIRST, 3, NULL);
    call.kept = 2;
    CHECK_TEXT(picks(3, 2), "cc");
    host[2].state = BALANCE_OPEN;
    CHECK_TEXT(picks(3, 2), "aa");
    set_up(BALANCE_FIRST, 3, NULL);
    host[0].tried = 1;
    CHECK_TEXT(picks(3, 1), "b");
    host[2].backup = 1;
    host[1].tried = 1; /* the backup before what failed already */
    CHECK_TEXT(picks(3, 1), "c");
    host[2].tried = 1;
    CHECK_TEXT(picks(3, 1), "a");
}

static void test_slow_start(void)
{
    CHECK_INT(balance_share(CONF_OFF, 1, 2), 1000);
    CHECK_INT(balance_share(10 * (int64_t)S, 0, 5 * S), 1000);
    CHECK_INT(balance_share(10 * (int64_t)S, 100 * S, 100 * S), 100);
    CHECK_INT(balance_share(10 * (int64_t)S, 100 * S, 101 * S), 100);
    CHECK_INT(balance_share(10 * (int64_t)S, 100 * S, 105 * S), 500);
    CHECK_INT(balance_share(10 * (int64_t)S, 100 * S, 110 * S), 1000);
    CHECK_INT(balance_share(10 * (int64_t)S, 100 * S, 99 * S), 1000); /* somebody else's later clock reading */
}

static void check_near(uint64_t got, double want, double tolerance)
{
    if (!CHECK(fabs((double)got - want) <= tolerance))
        fprintf(stderr, "  got %llu, want %.0f\n", (unsigned long long)got, want);
}

static void test_ewma(void)
{
    uint64_t word = balance_ewma_add(0, 50000, 5 * S);
    CHECK_INT(balance_ewma_ns(0, S), 0);
    check_near(balance_ewma_ns(word, 5 * S), 50000, 65);
    word = balance_ewma_add(word, 9000000, 5 * S + MS); /* a peak counts at once */
    check_near(balance_ewma_ns(word, 5 * S + MS), 9000000, 65);
    uint64_t later = balance_ewma_add(word, 1000000, 15 * S + MS); /* tau = 10 s */
    check_near(balance_ewma_ns(later, 15 * S + MS), 1000000 + 8000000 * 0.36787944, 200);
    check_near(balance_ewma_ns(word, 25 * S + MS), 9000000 * 0.13533528, 200); /* nothing measured: it decays */
    /* many samples within one unit of change add up all the same */
    word = balance_ewma_add(0, 50000, 0);
    for (uint64_t us = 0; us < 20000000; us += 100)
        word = balance_ewma_add(word, 10000, us * 1000);
    check_near(balance_ewma_ns(word, 20 * S), 10000 + 40000 * 0.13533528, 700);
    word = balance_ewma_add(word, UINT64_MAX / 2, 20 * S); /* saturates */
    CHECK(balance_ewma_ns(word, 20 * S) > 270 * S);
    CHECK(balance_ewma_add(0, 0, 5 * S) != 0);
    CHECK(balance_ewma_ns(word, 19 * S) > 270 * S); /* an earlier reading of the clock */
    CHECK_INT(balance_cost(0, 0), 0);
    CHECK_INT(balance_cost(1000, 3), 4000);
    CHECK(balance_cost(0, 1) > balance_cost(S, 100)); /* unknown: tried once, then waited for */
}

/* Whatever the description says, a choice is one that may be chosen. */
static void test_at_random(void)
{
    uint64_t draw = 0;
    for (int round = 0; round < 100000; round++) {
        uint32_t count = (uint32_t)prng_below(prng_at(1, 2, draw++), 9);
        set_up((int64_t)prng_below(prng_at(1, 2, draw++), 9), count, NULL);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t bits = prng_at(1, 2, draw++);
            host[i] = (struct balance_host){.load = bits >> 50,
                                            .weight = (uint16_t)(bits % 1000 + 1),
                                            .share = bits >> 10 & 1 ? BALANCE_WHOLE_SHARE : 100,
                                            .state = bits >> 12 & 3,
                                            .backup = bits >> 14 & 1,
                                            .tried = bits >> 15 & 1};
        }
        if (draw % 2)
            write_sequences(count);
        uint64_t bits = prng_at(1, 2, draw++);
        call.number = bits, call.random = prng_mix(bits), call.key = prng_mix(bits + 1);
        call.max_eject_ppm = (int64_t)(bits % (PPM + 1));
        call.panic_ppm = bits >> 60 & 1 ? (int64_t)(bits >> 8) % PPM : CONF_OFF;
        call.kept = (uint32_t)(bits >> 20) % 300;
        call.by_key = bits >> 61 & 1;
        struct balance_choice choice = balance_pick(host, count, &call);
        uint32_t ready = 0, reachable = 0;
        for (uint32_t i = 0; i < count; i++) {
            ready += host[i].state == BALANCE_READY;
            reachable += host[i].state != BALANCE_OUT;
        }
        if (choice.verdict == VERDICT_ADMIT)
            CHECK(choice.index < count && host[choice.index].state <= BALANCE_OPEN &&
                  choice.insist == (host[choice.index].state == BALANCE_OPEN));
        else
            CHECK(ready == 0 && (choice.verdict == VERDICT_NO_ENDPOINT) == (reachable == 0));
    }
}

int main(void)
{
    test_sequences();
    test_cycles();
    test_shares();
    test_keys(BALANCE_IP_HASH, false);
    test_keys(BALANCE_MAGLEV, false);
    test_keys(BALANCE_FIRST, true);
    test_maglev();
    test_who_may();
    test_preferences();
    test_slow_start();
    test_ewma();
    test_at_random();
    return check_end();
}
