/* SPDX-License-Identifier: MIT
 * Rise, fall, freshness, and what a balancer makes of endpoints that are down. */
#include <string.h>

#include "policy/balance.h"
#include "policy/conf.h"
#include "policy/health.h"
#include "tests/unit/check.h"

/* Results as a text of + and -, and the states after each: u(nknown), U(p), D(own). */
static void check_course(const char *results, const char *states, int64_t rise, int64_t fall)
{
    static const char letters[] = "uUD";
    struct health health = {0};
    for (size_t at = 0; results[at]; at++) {
        uint32_t before = health.state;
        bool changed = health_step(&health, results[at] == '+', rise, fall);
        CHECK_INT(changed, health.state != before);
        if (!CHECK_INT(letters[health.state], states[at]))
            fprintf(stderr, "  of %s at %zu\n", results, at);
        struct health again = health_unpack(health_pack(&health));
        CHECK(memcmp(&again, &health, sizeof health) == 0);
    }
}

static void check_steps(void)
{
    check_course("+---+-++", "UUUDDDDU", 2, 3);
    check_course("---++--+---", "uuDDUUUUUUD", 2, 3);
    check_course("+--+--+---", "UUUUUUUUUD", 2, 3);
    check_course("-+-+", "DUDU", 1, 1);
    check_course("--+", "uuU", 5, 3);
    struct health health = {0};
    for (int i = 0; i < 254; i++)
        CHECK(!health_step(&health, false, 255, 255));
    CHECK(health_step(&health, false, 255, 255) && health.state == HEALTH_DOWN);
    CHECK_INT(health_unpack(UINT64_MAX).state, HEALTH_UNKNOWN);
    CHECK_INT(health_unpack(0).state, HEALTH_UNKNOWN);
}

static void check_times(void)
{
    const int64_t s = 1000000000;
    CHECK(!health_is_fresh(0, 5 * s, 1));
    CHECK(health_is_fresh(100, 5 * s, 100 + (uint64_t)(15 * s)));
    CHECK(!health_is_fresh(100, 5 * s, 101 + (uint64_t)(15 * s)));
    CHECK(health_is_fresh(200, 5 * s, 100)); /* a clock read a moment earlier by somebody else */
    CHECK(health_interval_ns(10 * s, 0) >= (uint64_t)(9 * s));
    for (uint64_t random = 1; random; random <<= 1)
        CHECK(health_interval_ns(10 * s, random) >= (uint64_t)(9 * s) &&
              health_interval_ns(10 * s, ~random) <= (uint64_t)(11 * s));
}

/* One letter an endpoint: . ready, d down, o open, s shut, x out of reach; capitals are backups (D, O, R for ready).
 * Which are picked by sixteen picks in turn: as many letters, * for those. */
static void check_picks(const char *letters, const char *want, enum verdict verdict, int64_t panic_ppm)
{
    struct balance_host host[8];
    char got[9] = "";
    uint32_t count = (uint32_t)strlen(letters);
    memset(got, '-', count);
    for (uint32_t i = 0; i < count; i++) {
        char letter = letters[i];
        host[i] = (struct balance_host){.weight = 1, .share = BALANCE_WHOLE_SHARE, .state = BALANCE_READY};
        host[i].backup = strchr("DOR", letter) != NULL;
        host[i].down = letter == 'd' || letter == 'D' || letter == 's';
        host[i].state = letter == 'o' || letter == 'O' ? BALANCE_OPEN
                        : letter == 's'                ? BALANCE_SHUT
                        : letter == 'x'                ? BALANCE_OUT
                                                       : BALANCE_READY;
    }
    for (uint64_t number = 0; number < 16; number++) {
        struct balance_call call = {.strategy = BALANCE_ROUND_ROBIN,
                                    .max_eject_ppm = PPM,
                                    .panic_ppm = panic_ppm,
                                    .number = number,
                                    .kept = BALANCE_HOSTS};
        struct balance_choice choice = balance_pick(host, count, &call);
        CHECK_INT(choice.verdict, verdict);
        if (choice.verdict == VERDICT_ADMIT)
            got[choice.index] = '*';
    }
    CHECK_TEXT(got, want);
}

static void check_down(void)
{
    check_picks("...", "***", VERDICT_ADMIT, CONF_OFF);
    check_picks(".d.", "*-*", VERDICT_ADMIT, CONF_OFF);
    check_picks("ddd", "***", VERDICT_ADMIT, CONF_OFF); /* all are down: health says nothing */
    check_picks("ddR", "--*", VERDICT_ADMIT, CONF_OFF);
    check_picks("ddD", "**-", VERDICT_ADMIT, CONF_OFF);
    check_picks(".oD", "*--", VERDICT_ADMIT, CONF_OFF);
    check_picks("do", "--", VERDICT_BREAKER_OPEN, CONF_OFF); /* one is up, and its breaker is open */
    check_picks("dx", "*-", VERDICT_ADMIT, CONF_OFF);
    check_picks("ds", "*-", VERDICT_ADMIT, CONF_OFF);
    check_picks("ss", "--", VERDICT_BREAKER_OPEN, CONF_OFF);
    check_picks("do.", "--*", VERDICT_ADMIT, CONF_OFF);
    check_picks("do.", "-**", VERDICT_ADMIT, 900000); /* a panic is about breakers */
}

int main(void)
{
    check_steps();
    check_times();
    check_down();
    return check_end();
}
