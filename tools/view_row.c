/* SPDX-License-Identifier: MIT
 * Reading one row, and adding rows up. */
#include "view_row.h"

#include <string.h>

#include "base/clock.h"
#include "policy/breaker.h"
#include "policy/lease.h"
#include "policy/timeout.h"
#include "print.h"
#include "segment/gate.h"
#include "segment/tally.h"
#include "segment/hist.h"
#include "segment/learn.h"

static void add_hist(struct view_hist *sum, const struct seg_hist *hist)
{
    uint64_t max_us = atomic_load_explicit(&hist->max_us, memory_order_relaxed);
    for (uint32_t i = 0; i < SEG_HIST; i++)
        sum->bucket[i] += atomic_load_explicit(&hist->bucket[i], memory_order_relaxed);
    if (max_us > sum->max_us)
        sum->max_us = max_us;
}

/* What a destination learned from is a sample of what its endpoints' rows hold: not to be added twice. */
static void read_hist(const struct seg_row *row, enum learn_kind kind, struct view_hist *own, struct view_hist *sum)
{
    const struct seg_hist *hist = kind == LEARN_CONNECT ? &row->connect : &row->response;
    if (row->kind == ROW_DESTINATION && atomic_load_explicit(&row->learned_ns[kind], memory_order_relaxed) != 0)
        return;
    add_hist(own, hist);
    add_hist(sum, hist);
}

static uint64_t percentile_us(const struct view_hist *hist, uint64_t samples, unsigned percent)
{
    uint64_t rank = (samples * percent + 99) / 100;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < SEG_HIST; i++) {
        seen += hist->bucket[i];
        if (seen >= rank) {
            /* The middle of the highest bucket may lie above the greatest value that was seen. */
            uint64_t value_us = hist_value_us(i);
            return value_us < hist->max_us ? value_us : hist->max_us;
        }
    }
    return hist->max_us;
}

struct view_latency view_latency_of(const struct view_hist *hist)
{
    struct view_latency latency = {.max_us = hist->max_us};
    for (uint32_t i = 0; i < SEG_HIST; i++)
        latency.samples += hist->bucket[i];
    latency.p50_us = percentile_us(hist, latency.samples, 50);
    latency.p90_us = percentile_us(hist, latency.samples, 90);
    latency.p99_us = percentile_us(hist, latency.samples, 99);
    return latency;
}

static uint32_t count_probes(const struct view_source *source, const struct seg_row *row, uint32_t generation,
                             const struct conf *conf)
{
    uint32_t probes = 0;
    uint64_t longest_ns = lease_time_ns(conf ? timeout_longest_ns(conf->timeout_probe_ns) : CONF_OFF,
                                        conf ? timeout_longest_ns(conf->timeout_response_ns) : CONF_OFF);
    for (uint32_t i = 0; i < SEG_LEASES; i++) {
        uint64_t lease = atomic_load_explicit(&row->lease[i], memory_order_relaxed);
        probes +=
            lease_is_held(lease, generation, source->now_ns, longest_ns) && liveness_ask_lease(source->liveness, lease);
    }
    return probes;
}

static void judge_ratio(const struct conf *conf, struct view_row *out)
{
    const struct window_sum *window = &out->window;
    out->ratio_known = conf && window->calls > 0 && window->calls >= (uint64_t)conf->breaker_min_calls;
    out->failure_ratio = out->ratio_known ? (double)window->failed / window->calls : 0;
}

static void read_open(const struct view_source *source, const struct conf *conf, const struct breaker *breaker,
                      struct view_row *out)
{
    uint64_t wall_ms = source->wall_ns / (uint64_t)NS_PER_MS;
    out->is_open = out->state == STATE_OPEN;
    if (!out->is_open)
        return;
    if (out->changed_wall_ms && out->changed_wall_ms < wall_ms)
        out->open_for_ms = wall_ms - out->changed_wall_ms;
    /* Rounded up: at 0 a probe is let in. */
    if (conf)
        out->next_attempt_ms = (breaker_wait_ns(breaker, conf, source->now_ns) + NS_PER_MS - 1) / NS_PER_MS;
}

/* That of the row itself, or of its destination. */
static void read_force(const struct view_source *source, uint32_t index, struct view_force *out)
{
    const struct seg_row *row = seg_row(source->segment, index);
    out->state = force_at(source->segment, index, source->now_ns);
    if (out->state == 0)
        return;
    out->inherited = force_own(row, source->now_ns) == 0;
    if (out->inherited)
        row = seg_row(source->segment, row->parent);
    out->end_ns = force_end_ns(row);
    out->author = force_author(row);
}

static void read_breaker(const struct view_source *source, const struct seg_row *row, const struct conf *conf,
                         struct view_row *out)
{
    struct breaker breaker = breaker_unpack(atomic_load_explicit(&row->breaker, memory_order_acquire));
    bool is_forced = out->force.state != 0;
    out->state = is_forced ? out->force.state : breaker.state;
    uint32_t failures;
    out->reason = gate_reason(row, &out->changed_wall_ms, &failures);
    if (is_forced)
        out->reason = REASON_FORCED;
    out->consecutive_failures = breaker.state == STATE_OPEN ? failures : breaker.consecutive;
    out->probes = count_probes(source, row, breaker.generation, conf);
    if (conf)
        tally_sum(row, conf, breaker.generation, source->now_ns, &out->window);
    judge_ratio(conf, out);
    read_open(source, conf, &breaker, out);
}

static uint64_t ms_ago(uint64_t then_ns, uint64_t now_ns)
{
    return then_ns < now_ns ? (now_ns - then_ns) / (uint64_t)NS_PER_MS : 0;
}

static void read_health(const struct view_source *source, const struct seg_row *row, const struct conf *conf,
                        struct view_health *out)
{
    uint64_t checked_ns = atomic_load_explicit(&row->checked_ns, memory_order_acquire);
    if (!conf || conf->health_check == 0 || row->kind != ROW_ENDPOINT ||
        !health_is_fresh(checked_ns, conf->health_check_interval_ns, source->now_ns))
        return;
    out->is = health_unpack(atomic_load_explicit(&row->health, memory_order_relaxed));
    out->age_ms = ms_ago(checked_ns, source->now_ns);
    out->since_ms = ms_ago(atomic_load_explicit(&row->health_since_ns, memory_order_relaxed), source->now_ns);
}

void view_row_read(const struct view_source *source, uint32_t index, uint32_t governing, const struct conf *conf,
                   struct view_row *out, struct view_hists *hists)
{
    const struct seg_row *row = seg_row(source->segment, index);
    struct view_hists own;
    memset(&own, 0, sizeof own);
    copy_text(out->endpoint, sizeof out->endpoint, row->label, sizeof row->label);
    out->connections = source->connections[index];
    out->queued = source->queued[index];
    bool exchanges = conf && conf->bulkhead_unit == BULKHEAD_EXCHANGE;
    out->in_flight = exchanges ? source->in_flight[index] : out->connections;
    for (uint32_t i = 0; i < SEG_COUNTERS; i++)
        out->counter[i] = atomic_load_explicit(&row->counter[i], memory_order_relaxed);
    read_force(source, index, &out->force);
    read_breaker(source, seg_row(source->segment, governing), conf, out);
    read_hist(row, LEARN_CONNECT, &own.connect, &hists->connect);
    read_hist(row, LEARN_RESPONSE, &own.response, &hists->response);
    out->connect = view_latency_of(&own.connect);
    out->response = view_latency_of(&own.response);
    out->hists = own;
    read_health(source, row, conf, &out->health);
}

static bool admits(const struct view_row *row)
{
    return row->state == STATE_CLOSED || row->state == STATE_FORCED_CLOSED;
}

/* The state of a destination whose endpoints have a breaker each: closed as long as one is; else half-open if one
 * is; else open, also when the open time of one is over: only a call ends it. */
static enum state joint_state(const struct view_row *rows, uint32_t count)
{
    bool half_open = false, open = false;
    for (uint32_t i = 1; i < count; i++) {
        if (rows[i].is_retired)
            continue;
        if (admits(&rows[i]))
            return STATE_CLOSED;
        half_open |= rows[i].state == STATE_HALF_OPEN;
        open = true;
    }
    if (!open || rows[0].has_untried)
        return STATE_CLOSED;
    return half_open ? STATE_HALF_OPEN : STATE_OPEN;
}

/* The latest change among the endpoints that are in the joint state explains it; the first possible attempt at any
 * of them is the destination's. */
static void join_one(struct view_row *all, const struct view_row *row)
{
    if (row->state == all->state && row->changed_wall_ms >= all->changed_wall_ms) {
        all->reason = row->reason;
        all->changed_wall_ms = row->changed_wall_ms;
        all->open_for_ms = row->open_for_ms;
    }
    if (row->is_open && row->next_attempt_ms < all->next_attempt_ms)
        all->next_attempt_ms = row->next_attempt_ms;
    if (row->consecutive_failures > all->consecutive_failures)
        all->consecutive_failures = row->consecutive_failures;
    all->probes += row->probes;
    all->window.calls += row->window.calls;
    all->window.failed += row->window.failed;
    all->window.slow += row->window.slow;
}

static void join_breakers(const struct conf *conf, struct view_row *rows, uint32_t count)
{
    struct view_row *all = &rows[0];
    all->state = joint_state(rows, count);
    all->is_open = all->state == STATE_OPEN;
    all->next_attempt_ms = all->is_open ? UINT64_MAX : 0;
    all->reason = REASON_NONE;
    all->changed_wall_ms = 0;
    for (uint32_t i = 1; i < count; i++)
        if (!rows[i].is_retired)
            join_one(all, &rows[i]);
    /* Every endpoint is shut by hand: no time will open one. */
    if (all->is_open && all->next_attempt_ms == UINT64_MAX) {
        all->is_open = false;
        all->reason = REASON_FORCED;
        all->next_attempt_ms = 0;
    }
    judge_ratio(conf, all);
}

void view_row_sum(const struct conf *conf, struct view_row *rows, uint32_t count, bool with_breaker)
{
    while (count > 1 && rows[count - 1].is_fallback) /* they stand at the end */
        count--;
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t c = 0; c < SEG_COUNTERS; c++)
            rows[0].counter[c] += rows[i].counter[c];
    if (with_breaker)
        join_breakers(conf, rows, count);
}
