/* SPDX-License-Identifier: MIT
 * Faults: how often they strike, and how much they do. */
#include <stdint.h>
#include <string.h>

#include "policy/conf.h"
#include "policy/fault.h"
#include "tests/unit/check.h"

static void test_fault_strikes(void)
{
    enum { CONNECTIONS = 100000 };
    struct fault fault = {.probability_ppm = 300000, .after = 1000, .for_ns = 5000};
    uint32_t struck = 0, both = 0;
    for (uint64_t i = 0; i < CONNECTIONS; i++) {
        uint64_t stream = fault_stream(7, 42, i);
        bool one = fault_strikes(&fault, stream, i, 0, 4999), other = fault_strikes(&fault, stream, i, 1, 0);
        struck += one;
        both += one && other;
        CHECK(!fault_strikes(&fault, stream, i, 0, 5000));
        CHECK(i >= 1000 || !one);
    }
    CHECK(struck > 0.29 * (CONNECTIONS - 1000) && struck < 0.31 * (CONNECTIONS - 1000));
    CHECK(both > 0.085 * (CONNECTIONS - 1000) && both < 0.095 * (CONNECTIONS - 1000)); /* independent of each other */
    CHECK(fault_stream(7, 42, 3) != fault_stream(7, 43, 3) && fault_stream(7, 42, 3) != fault_stream(8, 42, 3));
}

/* Uniform: each tenth of the range has its share within 5 %, and so has the mean. */
static void test_fault_delays(void)
{
    enum { DRAWS = 100000, MEAN = 200000000, SPREAD = 50000000 };
    struct fault fault = {.delay_ns = MEAN, .spread_ns = SPREAD};
    uint32_t tenth[10] = {0};
    double sum = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        int64_t delay = fault_delay_ns(&fault, fault_stream(1, 2, i / 100), 3, i % 100);
        CHECK(delay >= MEAN - SPREAD && delay <= MEAN + SPREAD);
        tenth[(delay - MEAN + SPREAD) * 10 / (2 * SPREAD + 1)]++;
        sum += (double)delay;
    }
    CHECK(sum / DRAWS > 0.999 * MEAN && sum / DRAWS < 1.001 * MEAN);
    for (int i = 0; i < 10; i++)
        CHECK(tenth[i] > 0.095 * DRAWS && tenth[i] < 0.105 * DRAWS);
    fault.spread_ns = 2ll * MEAN; /* never negative */
    for (uint64_t i = 0; i < 1000; i++)
        CHECK(fault_delay_ns(&fault, fault_stream(1, 2, i), 0, 0) >= 0);
    fault.spread_ns = 0;
    CHECK_INT(fault_delay_ns(&fault, 5, 0, 0), MEAN);
}

static void test_fault_bytes(void)
{
    struct fault slice = {.low = 3, .amount = 6}, line = {.amount = 65536 * 3600ll}, harm = {.low = 1, .amount = 100};
    uint32_t of[7] = {0};
    for (uint64_t i = 0; i < 4000; i++) {
        size_t bytes = fault_slice(&slice, 9, i);
        CHECK(bytes >= 3 && bytes <= 6);
        of[bytes > 6 ? 0 : bytes]++;
    }
    for (int i = 3; i <= 6; i++)
        CHECK(of[i] > 900 && of[i] < 1100);
    CHECK_INT(fault_burst(&line), 655);
    CHECK_INT(fault_cost_ns(&line, 65536), 1000000000);
    line.amount = 1; /* a byte an hour */
    CHECK_INT(fault_burst(&line), 1);
    CHECK_INT(fault_cost_ns(&line, 1), 3600000000000);

    static uint8_t whole[100000], cut[100000];
    size_t harmed = fault_corrupt(&harm, 11, 0, whole, sizeof whole), again = 0;
    CHECK(harmed > 900 && harmed < 1100);
    for (size_t at = 0; at < sizeof cut; at += 137)
        again += fault_corrupt(&harm, 11, at, cut + at, sizeof cut - at < 137 ? sizeof cut - at : 137);
    CHECK_INT(again, harmed);
    CHECK(memcmp(whole, cut, sizeof whole) == 0); /* however it is cut */
    for (size_t i = 0; i < sizeof whole; i++)
        CHECK((whole[i] & (whole[i] - 1)) == 0); /* one bit each */
}

/* after = N spares the first N connections, and no more. */
static void test_after(void)
{
    struct fault fault = {.probability_ppm = 1000000, .after = 2};
    for (uint64_t ordinal = 0; ordinal < 5; ordinal++)
        CHECK_INT(fault_strikes(&fault, 1, ordinal, 0, 0), ordinal >= 2);
}

int main(void)
{
    test_after();
    test_fault_strikes();
    test_fault_delays();
    test_fault_bytes();
    return check_end();
}
