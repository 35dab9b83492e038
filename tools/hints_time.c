/* SPDX-License-Identifier: MIT
 * Hints about timeouts and retries. */
#include "base/clock.h"
#include "config/emit.h"
#include "hints.h"
#include "policy/timeout.h"
#include "worst.h"

static bool uses_api(const struct section *section)
{
    for (const struct preset_use *use = section ? section->presets : NULL; use; use = use->earlier)
        if (use->preset && slice_is(use->name, "api"))
            return true;
    return false;
}

void hint_slow_api(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool is_off = conf->timeout_response_ns == CONF_OFF;
    bool is_api = uses_api(asked->section) || uses_api(asked->model->sections[SECTION_DEFAULTS].first);
    if (!is_api || (!is_off && timeout_longest_ns(conf->timeout_response_ns) <= 5 * NS_PER_S))
        return;
    hint_say(asked, KEY_timeout_response_ns,
             "timeout.response is %s with preset = api, which waits 5s: is this still an interactive call?",
             hint_value(asked, KEY_timeout_response_ns));
}

void hint_untimed_answers(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->first_byte == FIRST_BYTE_NONE &&
        (conf->timeout_response_ns > 0 || conf->timeout_idle_ns > 0 || conf->timeout_exchange_ns > 0))
        hint_say(asked, KEY_first_byte, "first_byte = none: timeout.response, .idle and .exchange never act");
}

void hint_late_response(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t response_ns = timeout_shortest_ns(conf->timeout_response_ns);
    if (conf->timeout_exchange_ns > 0 && response_ns > conf->timeout_exchange_ns)
        hint_say(asked, KEY_timeout_response_ns,
                 "timeout.response (%s) is longer than timeout.exchange (%s), which ends the exchange before",
                 hint_value(asked, KEY_timeout_response_ns), hint_time(conf->timeout_exchange_ns));
}

void hint_short_total(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t connect_ns = timeout_longest_ns(conf->timeout_connect_ns);
    if (conf->timeout_total_ns > 0 && connect_ns > conf->timeout_total_ns)
        hint_say(asked, KEY_timeout_total_ns,
                 "timeout.total (%s) is shorter than timeout.connect (%s), which is never reached",
                 hint_time(conf->timeout_total_ns), hint_time(connect_ns));
}

/* Every attempt takes all of its time, every delay is the longest of its kind. */
static int64_t longest_retries_ns(const struct conf *conf)
{
    struct conf alone = *conf;
    alone.mode = MODE_ENFORCE;
    alone.timeout_probe_ns = alone.timeout_connect_ns;
    struct worst worst = worst_of(&alone, 0);
    return worst.attempts > 1 && worst.attempts_ns != WORST_UNBOUNDED ? worst.attempts_ns + worst.backoff_ns : 0;
}

void hint_cut_retries(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t longest_ns = longest_retries_ns(conf);
    if (conf->timeout_total_ns <= 0 || longest_ns <= conf->timeout_total_ns)
        return;
    hint_say(
        asked, KEY_retry_attempts,
        "retry.attempts (%lld) with their timeouts and delays may take %s; timeout.total (%s) cuts the last of them",
        (long long)conf->retry_attempts, hint_time(longest_ns), hint_time(conf->timeout_total_ns));
}

void hint_cut_wait(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t queue_ns = timeout_longest_ns(conf->bulkhead_queue_timeout_ns);
    bool queues = conf->bulkhead_queue > 0 && conf->bulkhead_unit == BULKHEAD_CONNECTION;
    bool waits = conf->rate_limit > 0 && conf->rate_unit == RATE_CONNECTIONS;
    if (conf->timeout_total_ns <= 0)
        return;
    if (queues && queue_ns > conf->timeout_total_ns)
        hint_say(asked, KEY_bulkhead_queue_timeout_ns,
                 "bulkhead.queue_timeout (%s) is longer than timeout.total (%s), which ends the wait",
                 hint_time(queue_ns), hint_time(conf->timeout_total_ns));
    if (waits && conf->rate_max_wait_ns > conf->timeout_total_ns)
        hint_say(asked, KEY_rate_max_wait_ns,
                 "rate.max_wait (%s) is longer than timeout.total (%s): a turn after that is refused at once",
                 hint_time(conf->rate_max_wait_ns), hint_time(conf->timeout_total_ns));
}

void hint_long_connect(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t longest_ns = longest_retries_ns(conf);
    if (conf->timeout_total_ns <= 0 && longest_ns > 60 * NS_PER_S)
        hint_say(asked, KEY_retry_attempts,
                 "retry.attempts (%lld): one connect() may take %s; timeout.total would bound it",
                 (long long)conf->retry_attempts, hint_time(longest_ns));
}

void hint_retry_storm(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->retry_attempts > 1 && conf->retry_budget == CONF_OFF)
        hint_say(
            asked, KEY_retry_budget,
            "retry.budget = off: in an outage every caller tries %lld times, and so do the layers above it (a retry "
            "storm)",
            (long long)conf->retry_attempts);
}

void hint_retries_nothing(struct hint_asked *asked)
{
    if (asked->conf->retry_attempts > 1 && asked->conf->retry_on == 0)
        hint_say(asked, KEY_retry_on, "retry.on = none: retry.attempts (%lld) are never made",
                 (long long)asked->conf->retry_attempts);
}

void hint_low_retry_max(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->retry_attempts > 1 && conf->retry_max_ns < conf->retry_base_ns)
        hint_say(asked, KEY_retry_max_ns, "retry.max (%s) is below retry.base (%s): every delay is retry.max",
                 hint_time(conf->retry_max_ns), hint_time(conf->retry_base_ns));
}
