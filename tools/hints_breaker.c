/* SPDX-License-Identifier: MIT
 * Hints about breakers. */
#include "base/clock.h"
#include "config/keys.h"
#include "hints.h"
#include "policy/classify.h"
#include "policy/timeout.h"

void hint_deaf_breaker(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->breaker_failures > 0 || conf->breaker_errors > 0 || conf->breaker_ratio_ppm <= 0 ||
        conf->timeout_connect_ns > 0 || conf->timeout_response_ns > 0)
        return;
    hint_say(asked, -1, "the breaker judges failures, but without timeouts a hanging peer never fails");
}

void hint_ignores_all(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool by_failures = conf->breaker_failures > 0 || conf->breaker_ratio_ppm > 0 || conf->breaker_errors > 0;
    for (int i = 0; i < OBSERVATION_COUNT; i++) {
        enum outcome outcome = classify_outcome(conf, (enum observation)i);
        if (outcome == OUTCOME_FAILURE || outcome == OUTCOME_OVERLOAD)
            return;
    }
    if (by_failures)
        hint_say(asked, KEY_breaker_ignore, "breaker.ignore names every failure: the breaker can never open for them");
}

/* Ratios are judged among min_calls; where nothing else trips, so many must be possible at all. */
void hint_rare_calls(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool by_ratio = conf->breaker_ratio_ppm > 0 || conf->breaker_slow_time_ns > 0;
    if (!by_ratio || conf->breaker_failures > 0 || conf->breaker_errors > 0 || conf->breaker_window_calls > 0 ||
        conf->rate_limit <= 0 || conf->rate_unit == RATE_BYTES || conf->rate_per != PER_HOST)
        return;
    double seconds = (double)conf->breaker_window_ns / (double)NS_PER_S;
    double burst = conf->rate_burst > 0 ? (double)conf->rate_burst : (double)conf->rate_limit / 3600;
    if ((double)conf->rate_limit / 3600 * seconds + burst >= (double)conf->breaker_min_calls)
        return;
    hint_say(asked, KEY_breaker_min_calls,
             "breaker.min_calls (%lld) are more than rate.limit (%s) lets through in breaker.window (%s): nothing can "
             "open the breaker",
             (long long)conf->breaker_min_calls, hint_value(asked, KEY_rate_limit), hint_time(conf->breaker_window_ns));
}

void hint_few_calls(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->breaker_window_calls <= 0 || conf->breaker_min_calls <= conf->breaker_window_calls ||
        (conf->breaker_ratio_ppm <= 0 && conf->breaker_slow_time_ns <= 0))
        return;
    hint_say(asked, KEY_breaker_window_calls,
             "breaker.min_calls (%lld) is more than breaker.window_calls (%lld) can hold: a full window is judged",
             (long long)conf->breaker_min_calls, (long long)conf->breaker_window_calls);
}

/* The window is the current tenth and the nine before it: up to a tenth shorter than it is called. What never fits at
 * all is an error (config/emit.c). */
void hint_tight_lumping(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->breaker_errors <= 1 || conf->breaker_lumping_ns <= 0 || conf->breaker_window_calls > 0 ||
        (conf->breaker_errors - 1) * conf->breaker_lumping_ns <= conf->breaker_window_ns / 10 * 9)
        return;
    hint_say(asked, KEY_breaker_lumping_ns,
             "breaker.errors (%lld), each breaker.lumping (%s) after the other, hardly fit into breaker.window (%s)",
             (long long)conf->breaker_errors, hint_time(conf->breaker_lumping_ns), hint_time(conf->breaker_window_ns));
}

void hint_never_slow(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool by_connect = conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE;
    int key = by_connect ? KEY_timeout_connect_ns : KEY_timeout_response_ns;
    int64_t end_ns = timeout_longest_ns(by_connect ? conf->timeout_connect_ns : conf->timeout_response_ns);
    if (conf->breaker_slow_time_ns <= 0 || end_ns <= 0 || conf->breaker_slow_time_ns < end_ns)
        return;
    hint_say(asked, KEY_breaker_slow_time_ns,
             "breaker.slow_time (%s) is not shorter than %s (%s), which ends the call before",
             hint_time(conf->breaker_slow_time_ns), by_connect ? "timeout.connect" : "timeout.response",
             hint_value(asked, key));
}

void hint_short_open_time(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t connect_ns = timeout_longest_ns(conf->timeout_connect_ns);
    if (!hint_breaker_is_on(conf) || connect_ns <= 0 || conf->breaker_open_time_ns >= connect_ns)
        return;
    hint_say(
        asked, KEY_breaker_open_time_ns,
        "breaker.open_time (%s) is shorter than timeout.connect (%s): the next probe may begin before a hanging one "
        "has ended",
        hint_time(conf->breaker_open_time_ns), hint_value(asked, KEY_timeout_connect_ns));
}

void hint_long_probe(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t probe_ns = timeout_longest_ns(conf->timeout_probe_ns);
    if (!hint_breaker_is_on(conf) || conf->timeout_probe_ns == conf->timeout_connect_ns ||
        probe_ns <= conf->breaker_open_time_ns)
        return;
    hint_say(asked, KEY_timeout_probe_ns,
             "timeout.probe (%s) is longer than breaker.open_time (%s): finding out takes longer than waiting",
             hint_time(probe_ns), hint_time(conf->breaker_open_time_ns));
}

void hint_low_open_max(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool by_default = conf->breaker_open_max_ns == key_default_value(KEY_breaker_open_max_ns);
    if (hint_breaker_is_on(conf) && !by_default && conf->breaker_open_max_ns < conf->breaker_open_time_ns)
        hint_say(asked, KEY_breaker_open_max_ns,
                 "breaker.open_max (%s) is below breaker.open_time (%s): the open time is the latter, and never grows",
                 hint_time(conf->breaker_open_max_ns), hint_time(conf->breaker_open_time_ns));
}
