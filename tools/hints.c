/* SPDX-License-Identifier: MIT
 * One function for each hint, one table of them. */
#include "hints.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

typedef bool hint_function(const struct rules *rules, const struct conf *conf, char *out);

static bool breaker_is_on(const struct conf *conf)
{
    return conf->breaker_failures > 0 || conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0 ||
           conf->breaker_slow_time_ns > 0;
}

static bool short_open_time(const struct rules *rules, const struct conf *conf, char *out)
{
    char open[32], connect[32];
    (void)rules;
    if (!breaker_is_on(conf) || conf->timeout_connect_ns <= 0 || conf->breaker_open_time_ns >= conf->timeout_connect_ns)
        return false;
    snprintf(out, HINT_TEXT,
             "breaker.open_time (%s) is shorter than timeout.connect (%s): "
             "the next probe may begin before a hanging one has ended",
             format_duration(conf->breaker_open_time_ns, open, sizeof open),
             format_duration(conf->timeout_connect_ns, connect, sizeof connect));
    return true;
}

/* The compiled rules do not name their presets; these four values together are of `api' alone. */
static bool is_like_api(const struct conf *conf)
{
    return conf->timeout_total_ns == 10 * NS_PER_S && conf->breaker_window_ns == 60 * NS_PER_S &&
           conf->breaker_open_time_ns == 30 * NS_PER_S && conf->breaker_min_calls == 10;
}

static bool slow_api(const struct rules *rules, const struct conf *conf, char *out)
{
    char response[32];
    (void)rules;
    bool is_off = conf->timeout_response_ns == CONF_OFF;
    if (!is_like_api(conf) || (!is_off && conf->timeout_response_ns <= 5 * NS_PER_S))
        return false;
    snprintf(out, HINT_TEXT,
             "timeout.response is %s with preset = api, which waits 5s: is this still an interactive call?",
             is_off ? "off" : format_duration(conf->timeout_response_ns, response, sizeof response));
    return true;
}

static bool no_protection(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (breaker_is_on(conf) || conf->timeout_connect_ns > 0 || conf->timeout_response_ns > 0 ||
        conf->timeout_idle_ns > 0 || conf->timeout_total_ns > 0)
        return false;
    snprintf(out, HINT_TEXT,
             "the breaker and every timeout are off: a dead peer is waited for as long as the program does");
    return true;
}

static bool deaf_breaker(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->breaker_failures > 0 || conf->breaker_errors > 0 || conf->breaker_ratio_ppm <= 0 ||
        conf->timeout_connect_ns > 0 || conf->timeout_response_ns > 0)
        return false;
    snprintf(out, HINT_TEXT, "the breaker judges failures, but without timeouts a hanging peer never fails");
    return true;
}

static bool never_enforced(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->mode != MODE_ENFORCE || conf->enforce_ppm != 0)
        return false;
    snprintf(out, HINT_TEXT, "enforce = 0%% rejects nothing; mode = observe says so more clearly");
    return true;
}

static bool has_chaos(const struct rules *rules, const struct conf *conf, char *out)
{
    const char *chaos = rules_text(rules, conf->chaos);
    if (!*chaos || strcmp(chaos, "deny") == 0)
        return false;
    snprintf(out, HINT_TEXT, "chaos = %.150s: faults will be injected", chaos);
    return true;
}

static hint_function *const hints[] = {short_open_time, slow_api,       no_protection,
                                       deaf_breaker,    never_enforced, has_chaos};

size_t hints_count(void)
{
    return sizeof hints / sizeof hints[0];
}

bool hint_ask(size_t index, const struct rules *rules, const struct conf *conf, char out[HINT_TEXT])
{
    return hints[index](rules, conf, out);
}
