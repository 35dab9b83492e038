/* SPDX-License-Identifier: MIT
 * One row of the view: a destination as a whole ("*"), or one of its endpoints. */
#ifndef RESCTL_VIEW_ROW_H
#define RESCTL_VIEW_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "liveness.h"
#include "policy/conf.h"
#include "policy/health.h"
#include "policy/window.h"
#include "segment/force.h"

struct view_latency {
    uint64_t samples; /* 0: the others mean nothing */
    uint64_t p50_us, p90_us, p99_us, max_us;
};

/* The histograms behind a row; of a destination the sum of its endpoints'. */
struct view_hist {
    uint64_t bucket[SEG_HIST];
    uint64_t max_us;
};
struct view_hists {
    struct view_hist connect, response;
};

/* What active checks found lately; state HEALTH_UNKNOWN: nothing that is worth believing. */
struct view_health {
    struct health is;
    uint64_t age_ms, since_ms; /* of the last check; of the state */
};

/* What an operator laid over it (segment/force.h). */
struct view_force {
    uint32_t state; /* 0: nothing */
    bool inherited; /* it stands at the destination's row */
    uint64_t end_ns;
    struct force_author author;
};

struct view_row {
    char endpoint[SEG_LABEL];
    bool is_retired;  /* none of the endpoints any more: its counters count, its breaker does not */
    bool has_untried; /* of a destination: one of its endpoints has no row yet, and would be tried */
    bool is_fallback; /* a target of the destination's fallback: no part of the sums */
    uint32_t state;   /* enum state, administrative ones included */
    uint32_t reason;  /* enum reason */
    struct view_force force;
    uint32_t connections;     /* of living owners */
    uint32_t queued;          /* of living owners, waiting for a slot */
    uint32_t in_flight;       /* exchanges that hold a slot (bulkhead.unit = exchange), else the connections */
    uint32_t probes;          /* leases held by living owners */
    uint64_t changed_wall_ms; /* when the breaker entered its state, 0: never */
    bool is_open;             /* STATE_OPEN, and so the next two mean something */
    uint64_t open_for_ms, next_attempt_ms;
    uint32_t consecutive_failures;
    bool ratio_known;
    double failure_ratio;
    struct window_sum window;
    uint64_t counter[SEG_COUNTERS];
    struct view_latency connect, response;
    struct view_hists hists;
    struct view_health health; /* of an endpoint */
};

/* What reading a row needs besides the row. */
struct view_source {
    const struct segment *segment;
    struct liveness *liveness;
    const uint32_t *connections; /* by row */
    const uint32_t *queued;
    const uint32_t *in_flight;
    uint64_t now_ns, wall_ns;
};

/* view_row_read(source, index, governing, conf, out, hists): the row at index; its breaker is the one that stands at
 * row `governing'. conf may be NULL. Adds the row's histograms to *hists. */
void view_row_read(const struct view_source *source, uint32_t index, uint32_t governing, const struct conf *conf,
                   struct view_row *out, struct view_hists *hists);

/* view_row_sum(conf, rows, count): makes rows[0], which holds what stands in the destination's own row, the sum of
 * all. with_breaker: its breaker is not its own but follows from the endpoints'. */
void view_row_sum(const struct conf *conf, struct view_row *rows, uint32_t count, bool with_breaker);

/* view_latency_of(hist): its percentiles. */
struct view_latency view_latency_of(const struct view_hist *hist);

#endif
