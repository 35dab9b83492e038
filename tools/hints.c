/* SPDX-License-Identifier: MIT
 * One function for each hint, one table of them. */
#include "hints.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "policy/retry.h"
#include "config/compile.h"
#include "policy/timeout.h"

typedef bool hint_function(const struct rules *rules, const struct conf *conf, char *out);

static bool breaker_is_on(const struct conf *conf)
{
    return conf->breaker_failures > 0 || conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0 ||
           conf->breaker_slow_time_ns > 0;
}

static bool short_open_time(const struct rules *rules, const struct conf *conf, char *out)
{
    char open[32], connect[64];
    (void)rules;
    int64_t connect_ns = timeout_longest_ns(conf->timeout_connect_ns);
    if (!breaker_is_on(conf) || connect_ns <= 0 || conf->breaker_open_time_ns >= connect_ns)
        return false;
    snprintf(out, HINT_TEXT,
             "breaker.open_time (%s) is shorter than timeout.connect (%s): "
             "the next probe may begin before a hanging one has ended",
             format_duration(conf->breaker_open_time_ns, open, sizeof open),
             config_format_value(KEY_timeout_connect_ns, conf->timeout_connect_ns, connect, sizeof connect));
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
    char response[64];
    (void)rules;
    bool is_off = conf->timeout_response_ns == CONF_OFF;
    if (!is_like_api(conf) || (!is_off && timeout_longest_ns(conf->timeout_response_ns) <= 5 * NS_PER_S))
        return false;
    snprintf(out, HINT_TEXT,
             "timeout.response is %s with preset = api, which waits 5s: is this still an interactive call?",
             config_format_value(KEY_timeout_response_ns, conf->timeout_response_ns, response, sizeof response));
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

static bool crossed_bounds(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->bulkhead_adaptive == ADAPTIVE_OFF || conf->bulkhead_min <= conf->bulkhead_max)
        return false;
    snprintf(out, HINT_TEXT, "bulkhead.min (%lld) is above bulkhead.max (%lld): the limit stands at the latter",
             (long long)conf->bulkhead_min, (long long)conf->bulkhead_max);
    return true;
}

static bool nothing_drops(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->bulkhead_adaptive != ADAPTIVE_AIMD || conf->timeout_response_ns > 0 ||
        conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE)
        return false;
    snprintf(out, HINT_TEXT,
             "bulkhead.adaptive = aimd shrinks at timeouts, but timeout.response is off: only a connect can time out");
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

static bool long_probe(const struct rules *rules, const struct conf *conf, char *out)
{
    char open[32], probe[32];
    int64_t probe_ns = timeout_longest_ns(conf->timeout_probe_ns);
    (void)rules;
    if (!breaker_is_on(conf) || conf->timeout_probe_ns == conf->timeout_connect_ns ||
        probe_ns <= conf->breaker_open_time_ns)
        return false;
    snprintf(out, HINT_TEXT,
             "timeout.probe (%s) is longer than breaker.open_time (%s): finding out takes longer than waiting",
             format_duration(probe_ns, probe, sizeof probe),
             format_duration(conf->breaker_open_time_ns, open, sizeof open));
    return true;
}

static bool short_total(const struct rules *rules, const struct conf *conf, char *out)
{
    char total[32], connect[32];
    int64_t connect_ns = timeout_longest_ns(conf->timeout_connect_ns);
    (void)rules;
    if (conf->timeout_total_ns <= 0 || connect_ns <= conf->timeout_total_ns)
        return false;
    snprintf(out, HINT_TEXT, "timeout.total (%s) is shorter than timeout.connect (%s), which is never reached",
             format_duration(conf->timeout_total_ns, total, sizeof total),
             format_duration(connect_ns, connect, sizeof connect));
    return true;
}

/* Every attempt takes all of its time, every delay is the longest of its kind. */
static int64_t longest_retries_ns(const struct conf *conf)
{
    int64_t sum_ns = conf->retry_attempts * timeout_longest_ns(conf->timeout_connect_ns);
    uint64_t delay_ns = 0;
    for (uint32_t number = 1; number < conf->retry_attempts; number++) {
        delay_ns = retry_delay_ns(conf, number, delay_ns, UINT64_MAX);
        sum_ns += (int64_t)delay_ns;
    }
    return sum_ns;
}

static bool cut_retries(const struct rules *rules, const struct conf *conf, char *out)
{
    char total[32], longest[32];
    (void)rules;
    if (conf->retry_attempts <= 1 || conf->timeout_total_ns <= 0 || conf->timeout_connect_ns <= 0 ||
        longest_retries_ns(conf) <= conf->timeout_total_ns)
        return false;
    snprintf(
        out, HINT_TEXT,
        "retry.attempts (%lld) with their timeouts and delays may take %s; timeout.total (%s) cuts the last of them",
        (long long)conf->retry_attempts, format_duration(longest_retries_ns(conf), longest, sizeof longest),
        format_duration(conf->timeout_total_ns, total, sizeof total));
    return true;
}

static bool retry_storm(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->retry_attempts <= 1 || conf->retry_budget != CONF_OFF)
        return false;
    snprintf(out, HINT_TEXT,
             "retry.budget = off: in an outage every caller tries %lld times, and so do the layers above it (a retry "
             "storm)",
             (long long)conf->retry_attempts);
    return true;
}

static bool few_calls(const struct rules *rules, const struct conf *conf, char *out)
{
    (void)rules;
    if (conf->breaker_window_calls <= 0 || conf->breaker_min_calls <= conf->breaker_window_calls ||
        (conf->breaker_ratio_ppm <= 0 && conf->breaker_slow_time_ns <= 0))
        return false;
    snprintf(out, HINT_TEXT,
             "breaker.min_calls (%lld) is more than breaker.window_calls (%lld) can hold: a full window is judged",
             (long long)conf->breaker_min_calls, (long long)conf->breaker_window_calls);
    return true;
}

/* The window is the current tenth and the nine before it: up to a tenth shorter than it is called. What never fits at
 * all is an error (config/emit.c). */
static bool tight_lumping(const struct rules *rules, const struct conf *conf, char *out)
{
    char lumping[32], window[32];
    (void)rules;
    if (conf->breaker_errors <= 1 || conf->breaker_lumping_ns <= 0 || conf->breaker_window_calls > 0 ||
        (conf->breaker_errors - 1) * conf->breaker_lumping_ns <= conf->breaker_window_ns / 10 * 9)
        return false;
    snprintf(out, HINT_TEXT,
             "breaker.errors (%lld), each breaker.lumping (%s) after the other, hardly fit into breaker.window (%s)",
             (long long)conf->breaker_errors, format_duration(conf->breaker_lumping_ns, lumping, sizeof lumping),
             format_duration(conf->breaker_window_ns, window, sizeof window));
    return true;
}

static hint_function *const hints[] = {short_open_time, slow_api,       no_protection, deaf_breaker, crossed_bounds,
                                       nothing_drops,   never_enforced, has_chaos,     long_probe,   short_total,
                                       cut_retries,     retry_storm,    few_calls,     tight_lumping};

size_t hints_count(void)
{
    return sizeof hints / sizeof hints[0];
}

bool hint_ask(size_t index, const struct rules *rules, const struct conf *conf, char out[HINT_TEXT])
{
    return hints[index](rules, conf, out);
}
