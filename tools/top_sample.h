/* SPDX-License-Identifier: MIT
 * What `top` remembers: the counters of each row at the last moments it looked, and what follows from two of them. */
#ifndef RESCTL_TOP_SAMPLE_H
#define RESCTL_TOP_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

enum {
    TOP_HISTORY = 64, /* moments of the counters: the graph */
    TOP_WINDOW = 10,  /* intervals over which errors and latencies are judged */
    TOP_REASONS = 8
};

struct top_moment {
    uint64_t time_ns, ok, failed;
    uint64_t rejected[TOP_REASONS];
};

/* One row: a destination ("*") or an endpoint. */
struct top_track {
    char name[SEG_NAME], endpoint[SEG_LABEL];
    uint64_t round;   /* when it was last there */
    uint64_t moments; /* ever; the newest is moment[(moments - 1) % TOP_HISTORY] */
    struct top_moment moment[TOP_HISTORY];
    uint64_t hist[TOP_WINDOW + 1][SEG_HIST];
    /* Of the last interval. */
    double rate, rejected_rate[TOP_REASONS], rejected_sum;
    /* Of the window. */
    bool judged; /* there were calls */
    double error_ratio;
    struct view_latency latency;
};

struct top_samples {
    struct top_track **track;
    uint32_t count, room;
    uint64_t round;
    uint32_t reasons; /* names of the reasons for refusals, as the segment has them */
    char reason[TOP_REASONS][32];
};

/* top_sample(samples, view): one more moment. Rows that are gone are forgotten. */
void top_sample(struct top_samples *samples, const struct view *view);
/* top_restart(samples): another segment: nothing is known. */
void top_restart(struct top_samples *samples);

/* top_track(samples, name, endpoint): NULL when it is not known. */
const struct top_track *top_track(const struct top_samples *samples, const char *name, const char *endpoint);

/* top_history(track, out, count): calls a second in each of the last count intervals, the newest last. */
void top_history(const struct top_track *track, double *out, unsigned count);

#endif
