/* SPDX-License-Identifier: MIT
 * Hints about bulkheads and rate limits. */
#include "base/clock.h"
#include "hints.h"
#include "policy/timeout.h"

/* A place in the queue is worth little when every call before it has to be shorter than this. */
#define HASTY_NS (100 * NS_PER_MS)

enum { PACKET_BYTES = 1448 };

void hint_crossed_bounds(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->bulkhead_adaptive != ADAPTIVE_OFF && conf->bulkhead_min > conf->bulkhead_max)
        hint_say(asked, KEY_bulkhead_min,
                 "bulkhead.min (%lld) is above bulkhead.max (%lld): the limit stands at the latter",
                 (long long)conf->bulkhead_min, (long long)conf->bulkhead_max);
}

void hint_outside_bounds(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->bulkhead_adaptive == ADAPTIVE_OFF || conf->bulkhead_limit <= 0 ||
        conf->bulkhead_min > conf->bulkhead_max ||
        (conf->bulkhead_limit >= conf->bulkhead_min && conf->bulkhead_limit <= conf->bulkhead_max))
        return;
    hint_say(asked, KEY_bulkhead_limit,
             "bulkhead.limit (%lld) is outside of bulkhead.min (%lld) and bulkhead.max (%lld), where the limit begins",
             (long long)conf->bulkhead_limit, (long long)conf->bulkhead_min, (long long)conf->bulkhead_max);
}

void hint_nothing_drops(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->bulkhead_adaptive != ADAPTIVE_AIMD || conf->timeout_response_ns > 0 ||
        conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE)
        return;
    hint_say(asked, KEY_bulkhead_adaptive,
             "bulkhead.adaptive = aimd shrinks at timeouts, but timeout.response is off: only a connect can time out");
}

void hint_wide_endpoints(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->bulkhead_limit > 0 && conf->bulkhead_adaptive == ADAPTIVE_OFF && conf->bulkhead_per == PER_HOST &&
        conf->bulkhead_unit == BULKHEAD_CONNECTION && conf->bulkhead_endpoint_limit > conf->bulkhead_limit)
        hint_say(asked, KEY_bulkhead_endpoint_limit,
                 "bulkhead.endpoint_limit (%lld) is above bulkhead.limit (%lld): it is never reached",
                 (long long)conf->bulkhead_endpoint_limit, (long long)conf->bulkhead_limit);
}

/* By Little's law: the last of `queue' places has its turn in time if calls are no longer than limit x time / queue. */
void hint_long_queue(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    int64_t wait_ns = timeout_longest_ns(conf->bulkhead_queue_timeout_ns);
    if (conf->bulkhead_queue <= 0 || conf->bulkhead_limit <= 0 || conf->bulkhead_adaptive != ADAPTIVE_OFF ||
        wait_ns <= 0)
        return;
    double call_ns = (double)wait_ns * (double)conf->bulkhead_limit / (double)conf->bulkhead_queue;
    if (call_ns >= (double)HASTY_NS)
        return;
    hint_say(asked, KEY_bulkhead_queue,
             "bulkhead.queue (%lld): the last place has its turn within bulkhead.queue_timeout (%s) only if calls end "
             "in %s; "
             "the others wait in vain",
             (long long)conf->bulkhead_queue, hint_time(wait_ns), hint_time((int64_t)call_ns / NS_PER_US * NS_PER_US));
}

void hint_endless_queue(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    bool limited = conf->bulkhead_limit > 0 || conf->bulkhead_adaptive != ADAPTIVE_OFF;
    if (limited && conf->bulkhead_queue > 0 && conf->bulkhead_queue_timeout_ns <= 0 &&
        (conf->timeout_total_ns <= 0 || conf->bulkhead_unit == BULKHEAD_EXCHANGE))
        hint_say(asked, KEY_bulkhead_queue_timeout_ns,
                 "nothing bounds the time in the queue: bulkhead.queue_timeout = off");
}

void hint_small_burst(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->rate_limit > 0 && conf->rate_unit == RATE_BYTES && conf->rate_burst > 0 &&
        conf->rate_burst < PACKET_BYTES)
        hint_say(asked, KEY_rate_burst,
                 "rate.burst (%lld bytes) is less than one packet: every write leaves a debt behind",
                 (long long)conf->rate_burst);
}

/* GCRA lets one event through in each interval: a wait below that hardly ever helps. */
void hint_late_turn(struct hint_asked *asked)
{
    const struct conf *conf = asked->conf;
    if (conf->rate_limit <= 0 || conf->rate_unit == RATE_BYTES || conf->rate_max_wait_ns <= 0)
        return;
    int64_t interval_ns = 3600 * NS_PER_S / conf->rate_limit;
    if (conf->rate_max_wait_ns < interval_ns)
        hint_say(asked, KEY_rate_max_wait_ns,
                 "rate.max_wait (%s) is shorter than the time between two turns (%s at %s)",
                 hint_time(conf->rate_max_wait_ns), hint_time(interval_ns / NS_PER_MS * NS_PER_MS),
                 hint_value(asked, KEY_rate_limit));
}
