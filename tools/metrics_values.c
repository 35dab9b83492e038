/* SPDX-License-Identifier: MIT
 * Gauges. */
#include "metrics_values.h"

#include <math.h>

#include "agent/lease.h"
#include "base/clock.h"
#include "segment/rows.h"

/* The codes are those of the table's help: a contract with dashboards. */
enum { CODE_DISABLED = 4, CODE_OBSERVE = 5 };

double metric_state_code(const struct metric_subject *subject)
{
    static const double codes[STATE_COUNT] = {[STATE_CLOSED] = 0,
                                              [STATE_OPEN] = 1,
                                              [STATE_HALF_OPEN] = 2,
                                              [STATE_FORCED_OPEN] = 3,
                                              [STATE_FORCED_CLOSED] = CODE_DISABLED,
                                              [STATE_DRAINING] = 6};
    const struct conf *conf = subject->destination->conf;
    if (conf && conf->mode == MODE_OFF)
        return CODE_DISABLED;
    if (conf && conf->mode == MODE_OBSERVE)
        return CODE_OBSERVE;
    return codes[subject->row->state];
}

double metric_failure_ratio(const struct metric_subject *subject)
{
    return subject->row->ratio_known ? subject->row->failure_ratio : (double)NAN;
}

double metric_slow_ratio(const struct metric_subject *subject)
{
    const struct view_row *row = subject->row;
    return row->ratio_known ? (double)row->window.slow / (double)row->window.calls : (double)NAN;
}

double metric_consecutive(const struct metric_subject *subject)
{
    return subject->row->consecutive_failures;
}

double metric_window_ok(const struct metric_subject *subject)
{
    const struct window_sum *window = &subject->row->window;
    return window->calls > window->failed ? (double)(window->calls - window->failed) : 0;
}

double metric_window_failed(const struct metric_subject *subject)
{
    return (double)subject->row->window.failed;
}

double metric_window_slow(const struct metric_subject *subject)
{
    return (double)subject->row->window.slow;
}

double metric_probes(const struct metric_subject *subject)
{
    return subject->row->probes;
}

double metric_next_attempt(const struct metric_subject *subject)
{
    const struct view_row *row = subject->row;
    return row->is_open ? (double)row->next_attempt_ms / 1e3 : (double)NAN;
}

double metric_connections(const struct metric_subject *subject)
{
    return subject->row->connections;
}

double metric_limit(const struct metric_subject *subject)
{
    int64_t limit = view_limit(subject->view, subject->destination);
    return limit > 0 ? (double)limit : (double)INFINITY;
}

double metric_in_use(const struct metric_subject *subject)
{
    return subject->row->in_flight;
}

double metric_queued(const struct metric_subject *subject)
{
    return subject->row->queued;
}

double metric_ejections(const struct metric_subject *subject)
{
    const struct view_destination *destination = subject->destination;
    unsigned count = 0;
    for (uint32_t i = 1; i < destination->rows; i++) {
        enum state state = (enum state)destination->row[i].state;
        bool shut = state == STATE_OPEN || state == STATE_FORCED_OPEN || state == STATE_DRAINING;
        count += shut && !destination->row[i].is_fallback && !destination->row[i].is_retired;
    }
    return count;
}

double metric_endpoints(const struct metric_subject *subject)
{
    const struct view_destination *destination = subject->destination;
    unsigned count = 0;
    for (uint32_t i = 1; i < destination->rows; i++)
        count += !destination->row[i].is_fallback && !destination->row[i].is_retired;
    return count;
}

/* Of a destination: the best that is known of its endpoints. */
double metric_endpoint_up(const struct metric_subject *subject)
{
    const struct view_destination *destination = subject->destination;
    bool whole = subject->row == destination->row;
    double best = (double)NAN;
    for (uint32_t i = whole ? 1 : 0; i < (whole ? destination->rows : 1); i++) {
        const struct view_row *row = whole ? &destination->row[i] : subject->row;
        if (row->health.is.state == HEALTH_UNKNOWN || (whole && row->is_fallback))
            continue;
        if (row->health.is.state == HEALTH_UP)
            return 1;
        best = 0;
    }
    return best;
}

static bool is_discovered(const struct view_destination *destination)
{
    return destination->rule && destination->rule->conf.discover != 0;
}

double metric_found(const struct metric_subject *subject)
{
    const struct view_destination *destination = subject->destination;
    return is_discovered(destination) ? (double)destination->rule->endpoints : (double)NAN;
}

double metric_found_age(const struct metric_subject *subject)
{
    const struct view_destination *destination = subject->destination;
    uint64_t now_ns = subject->view->now_ns, then_ns = 0;
    if (is_discovered(destination) && destination->seg_row != ROW_NONE)
        then_ns = atomic_load(&seg_row(subject->view->segment, destination->seg_row)->discovered_ns);
    if (then_ns == 0)
        return (double)NAN;
    return then_ns < now_ns ? (double)(now_ns - then_ns) / NS_PER_S : 0;
}

double metric_agent_up(const struct metric_subject *subject)
{
    return agent_lease_read(subject->view->segment, subject->view->now_ns).active;
}

double metric_processes(const struct metric_subject *subject)
{
    return subject->view->processes;
}

double metric_generation(const struct metric_subject *subject)
{
    return (double)subject->view->generation;
}

double metric_loaded(const struct metric_subject *subject)
{
    return (double)(subject->view->loaded_wall_ns / (uint64_t)NS_PER_MS) / 1e3;
}

double metric_config_error(const struct metric_subject *subject)
{
    return subject->view->config_error[0] != '\0';
}

double metric_file_changed(const struct metric_subject *subject)
{
    return subject->view->file_changed;
}

double metric_off(const struct metric_subject *subject)
{
    return subject->view->off;
}
