/* SPDX-License-Identifier: MIT
 * Hints about keys that have no use, or an unwanted one, beside the others. */
#include <string.h>

#include "config/emit.h"
#include "config/compile.h"
#include "hints.h"
#include "policy/sniff.h"

void hint_never_enforced(struct hint_asked *asked)
{
    if (asked->conf->mode == MODE_ENFORCE && asked->conf->enforce_ppm == 0)
        hint_say(asked, KEY_enforce_ppm, "enforce = 0%% rejects nothing; mode = observe says so more clearly");
}

static bool has_retries(const struct hint_asked *asked)
{
    return asked->conf->retry_attempts > 1;
}

static bool has_replay(const struct hint_asked *asked)
{
    return asked->conf->retry_replay != 0;
}

static bool has_limit(const struct hint_asked *asked)
{
    return asked->conf->bulkhead_limit > 0 || asked->conf->bulkhead_adaptive != ADAPTIVE_OFF;
}

static bool has_any_limit(const struct hint_asked *asked)
{
    return has_limit(asked) || asked->conf->bulkhead_endpoint_limit > 0;
}

static bool has_queue(const struct hint_asked *asked)
{
    return asked->conf->bulkhead_queue > 0;
}

static bool is_adaptive(const struct hint_asked *asked)
{
    return asked->conf->bulkhead_adaptive != ADAPTIVE_OFF;
}

static bool has_rate(const struct hint_asked *asked)
{
    return asked->conf->rate_limit > 0;
}

static bool has_endpoints(const struct hint_asked *asked)
{
    return rules_destination(asked->rules, asked->index)->endpoints > 0 || asked->conf->discover != 0;
}

static bool has_discover(const struct hint_asked *asked)
{
    return asked->conf->discover != 0;
}

static bool has_checks(const struct hint_asked *asked)
{
    return asked->conf->health_check != 0;
}

static bool has_fallback(const struct hint_asked *asked)
{
    return rules_destination(asked->rules, asked->index)->fallbacks > 0;
}

static bool has_slow_time(const struct hint_asked *asked)
{
    return asked->conf->breaker_slow_time_ns > 0;
}

static bool has_window(const struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    return conf->breaker_ratio_ppm > 0 || conf->breaker_slow_time_ns > 0 || conf->breaker_errors > 0;
}

static bool has_breaker(const struct hint_asked *asked)
{
    return hint_breaker_is_on(asked->conf);
}

static bool has_exponent(const struct hint_asked *asked)
{
    return asked->conf->retry_backoff == BACKOFF_EXPONENTIAL;
}

static const struct {
    int key;
    bool (*has_use)(const struct hint_asked *asked);
    const char *without;
} needs[] = {
    {KEY_retry_backoff, has_retries, "retry.attempts = 1"},
    {KEY_retry_base_ns, has_retries, "retry.attempts = 1"},
    {KEY_retry_factor_ppm, has_retries, "retry.attempts = 1"},
    {KEY_retry_factor_ppm, has_exponent, "retry.backoff is not exponential"},
    {KEY_retry_max_ns, has_retries, "retry.attempts = 1"},
    {KEY_retry_jitter, has_retries, "retry.attempts = 1"},
    {KEY_retry_on, has_retries, "retry.attempts = 1"},
    {KEY_retry_budget, has_retries, "retry.attempts = 1"},
    {KEY_retry_replay, has_retries, "retry.attempts = 1"},
    {KEY_bulkhead_per, has_limit, "bulkhead.limit = off"},
    {KEY_bulkhead_unit, has_limit, "bulkhead.limit = off"},
    {KEY_bulkhead_queue, has_any_limit, "bulkhead.limit = off"},
    {KEY_bulkhead_queue_timeout_ns, has_queue, "bulkhead.queue = 0"},
    {KEY_bulkhead_min, is_adaptive, "bulkhead.adaptive = off"},
    {KEY_bulkhead_max, is_adaptive, "bulkhead.adaptive = off"},
    {KEY_rate_burst, has_rate, "rate.limit = off"},
    {KEY_rate_max_wait_ns, has_rate, "rate.limit = off"},
    {KEY_rate_unit, has_rate, "rate.limit = off"},
    {KEY_rate_per, has_rate, "rate.limit = off"},
    {KEY_balance, has_endpoints, "there are no endpoints"},
    {KEY_balance_affinity, has_endpoints, "there are no endpoints"},
    {KEY_balance_slow_start_ns, has_endpoints, "there are no endpoints"},
    {KEY_breaker_max_eject_ppm, has_endpoints, "there are no endpoints"},
    {KEY_breaker_panic_ppm, has_endpoints, "there are no endpoints"},
    {KEY_peername, has_endpoints, "there are no endpoints"},
    {KEY_discover_refresh_ns, has_discover, "there is no discover"},
    {KEY_health_check_interval_ns, has_checks, "health.check = off"},
    {KEY_health_check_timeout_ns, has_checks, "health.check = off"},
    {KEY_health_check_rise, has_checks, "health.check = off"},
    {KEY_health_check_fall, has_checks, "health.check = off"},
    {KEY_fallback_on, has_fallback, "there is no fallback"},
    {KEY_breaker_slow_ratio_ppm, has_slow_time, "breaker.slow_time = off"},
    {KEY_breaker_window_ns, has_window, "breaker.ratio, .errors and .slow_time are off"},
    {KEY_breaker_min_calls, has_window, "breaker.ratio, .errors and .slow_time are off"},
    {KEY_breaker_open_time_ns, has_breaker, "the breaker is off"},
    {KEY_breaker_probes, has_breaker, "the breaker is off"},
    {KEY_breaker_successes, has_breaker, "the breaker is off"},
    {KEY_breaker_lumping_ns, has_breaker, "the breaker is off"},
};

/* What stands in the destination itself and is not what it would be anyway: a preset may well say more than one needs.
 */
static bool is_said(const struct hint_asked *asked, int key)
{
    struct emit_origin from;
    int64_t value = ((const int64_t *)asked->conf)[key];
    emit_origin(asked->model, asked->index, key, &from);
    return from.key == key && from.section && from.section->kind == SECTION_DESTINATION &&
           strcmp(key_info[key].def, hint_value(asked, key)) != 0 && value != CONF_OFF;
}

void hint_no_effect(struct hint_asked *asked)
{
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (!needs[i].has_use(asked) && is_said(asked, needs[i].key))
            hint_say(asked, needs[i].key, "%s has no effect: %s", key_info[needs[i].key].name, needs[i].without);
    int64_t http = RETRY_ON_HTTP_5XX | RETRY_ON_HTTP_429 | RETRY_ON_HTTP_BOTH;
    if ((asked->conf->retry_on & http) && !has_replay(asked) && is_said(asked, KEY_retry_on))
        hint_say(asked, KEY_retry_on, "http: in retry.on has no effect: retry.replay = off");
}

void hint_observed_endpoints(struct hint_asked *asked)
{
    if (asked->conf->mode == MODE_OBSERVE && has_endpoints(asked))
        hint_say(asked, KEY_endpoints, "mode = observe: connects go where the program asked, not to the endpoints");
}

void hint_first_of_many(struct hint_asked *asked)
{
    if (has_discover(asked) && asked->conf->balance == BALANCE_FIRST)
        hint_say(asked, KEY_discover,
                 "discover with balance = first: every connect goes to the first endpoint found, the others stand by");
}

void hint_cut_check(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (has_checks(asked) && conf->health_check_timeout_ns > conf->health_check_interval_ns &&
        is_said(asked, KEY_health_check_timeout_ns))
        hint_say(asked, KEY_health_check_timeout_ns, "health.check.timeout (%s) is cut to health.check.interval (%s)",
                 hint_time(conf->health_check_timeout_ns), hint_time(conf->health_check_interval_ns));
}

void hint_wrong_speaker(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool server_first = conf->sniff == SNIFF_MYSQL || conf->sniff == SNIFF_SMTP;
    const char *what = NULL;
    if (conf->sniff == SNIFF_OFF)
        return;
    if (conf->first_byte == FIRST_BYTE_NONE)
        what = "no answer is looked at";
    else if (server_first && conf->first_byte == FIRST_BYTE_CLIENT)
        what = "the server speaks first there: its greeting is not waited for";
    else if (!server_first && conf->first_byte == FIRST_BYTE_SERVER)
        what = "the client speaks first there: an idle connection would time out";
    if (what)
        hint_say(asked, KEY_first_byte, "first_byte = %s with sniff = %s: %s", hint_value(asked, KEY_first_byte),
                 hint_value(asked, KEY_sniff), what);
}

void hint_has_chaos(struct hint_asked *asked)
{
    const char *chaos = rules_text(asked->rules, asked->conf->chaos);
    if (*chaos && strcmp(chaos, "deny") != 0)
        hint_say(asked, KEY_chaos, "chaos = %.200s: faults will be injected", chaos);
}

void hint_no_protection(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (hint_breaker_is_on(conf) || conf->timeout_connect_ns > 0 || conf->timeout_response_ns > 0 ||
        conf->timeout_idle_ns > 0 || conf->timeout_total_ns > 0)
        return;
    hint_say(asked, -1, "the breaker and every timeout are off: a dead peer is waited for as long as the program does");
}
