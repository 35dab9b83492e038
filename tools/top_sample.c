/* SPDX-License-Identifier: MIT
 * Differences of counters. */
#include "top_sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "print.h"

/* Rows are asked for in the order in which they were kept: looking goes on where the last one was, so that a look at a
 * thousand rows is not half a million comparisons. */
static struct top_track *find(const struct top_samples *samples, const char *name, const char *endpoint)
{
    static uint32_t place;
    for (uint32_t i = 0; i < samples->count; i++) {
        uint32_t at = (place + i) % samples->count;
        struct top_track *track = samples->track[at];
        if (strcmp(track->name, name) == 0 && strcmp(track->endpoint, endpoint) == 0) {
            place = at + 1;
            return track;
        }
    }
    return NULL;
}

const struct top_track *top_track(const struct top_samples *samples, const char *name, const char *endpoint)
{
    return find(samples, name, endpoint);
}

static struct top_track *new_track(struct top_samples *samples, const char *name, const char *endpoint)
{
    if (samples->count == samples->room) {
        uint32_t room = samples->room ? 2 * samples->room : 32;
        struct top_track **grown = take_memory(room, sizeof *grown);
        if (samples->count)
            memcpy(grown, samples->track, samples->count * sizeof *grown);
        free(samples->track);
        samples->track = grown;
        samples->room = room;
    }
    struct top_track *track = take_memory(1, sizeof *track);
    copy_text(track->name, sizeof track->name, name, sizeof track->name);
    copy_text(track->endpoint, sizeof track->endpoint, endpoint, sizeof track->endpoint);
    return samples->track[samples->count++] = track;
}

static void forget(struct top_samples *samples, bool all)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < samples->count; i++) {
        if (all || samples->track[i]->round != samples->round)
            free(samples->track[i]);
        else
            samples->track[kept++] = samples->track[i];
    }
    samples->count = kept;
}

void top_restart(struct top_samples *samples)
{
    forget(samples, true);
}

static void read_reasons(struct top_samples *samples, const struct view *view)
{
    samples->reasons = 0;
    for (uint32_t i = 0; i < view->counters && samples->reasons < TOP_REASONS; i++) {
        const char *reason = view_reason(view, i);
        if (reason)
            copy_text(samples->reason[samples->reasons++], sizeof samples->reason[0], reason,
                      sizeof samples->reason[0]);
    }
}

static void take_moment(const struct view *view, const struct view_destination *destination, const struct view_row *row,
                        struct top_moment *moment)
{
    uint32_t reason = 0;
    *moment = (struct top_moment){
        .time_ns = view->now_ns, .ok = view_ok(view, destination, row), .failed = view_failed(view, row)};
    for (uint32_t i = 0; i < view->counters && reason < TOP_REASONS; i++)
        if (view_reason(view, i))
            moment->rejected[reason++] = row->counter[i];
}

/* Counters only grow; where they did not, a hostile hand was at work, or another segment. */
static double grown(uint64_t before, uint64_t after)
{
    return after > before ? (double)(after - before) : 0;
}

static double seconds(const struct top_moment *before, const struct top_moment *after)
{
    double passed = grown(before->time_ns, after->time_ns) / (double)NS_PER_S;
    return passed > 0.001 ? passed : 0.001;
}

static const struct top_moment *back(const struct top_track *track, uint64_t steps)
{
    return &track->moment[(track->moments - 1 - steps) % TOP_HISTORY];
}

static void judge_interval(struct top_track *track)
{
    const struct top_moment *now = back(track, 0), *before = back(track, 1);
    double passed = seconds(before, now);
    track->rate = (grown(before->ok, now->ok) + grown(before->failed, now->failed)) / passed;
    track->rejected_sum = 0;
    for (uint32_t i = 0; i < TOP_REASONS; i++) {
        track->rejected_rate[i] = grown(before->rejected[i], now->rejected[i]) / passed;
        track->rejected_sum += track->rejected_rate[i];
    }
}

static void judge_window(struct top_track *track)
{
    uint64_t steps = track->moments - 1 < TOP_WINDOW ? track->moments - 1 : TOP_WINDOW;
    const struct top_moment *now = back(track, 0), *before = back(track, steps);
    const uint64_t *old = track->hist[(track->moments - 1 - steps) % (TOP_WINDOW + 1)];
    const uint64_t *new = track->hist[(track->moments - 1) % (TOP_WINDOW + 1)];
    double failed = grown(before->failed, now->failed), calls = failed + grown(before->ok, now->ok);
    struct view_hist hist = {.max_us = UINT64_MAX};
    for (uint32_t i = 0; i < SEG_HIST; i++)
        hist.bucket[i] = new[i] > old[i] ? new[i] - old[i] : 0;
    track->judged = calls > 0;
    track->error_ratio = calls > 0 ? failed / calls : 0;
    track->latency = view_latency_of(&hist);
}

static void sample_row(struct top_samples *samples, const struct view *view, const struct view_destination *destination,
                       const struct view_row *row)
{
    const struct view_hist *hist = row->response.samples ? &row->hists.response : &row->hists.connect;
    struct top_track *track = find(samples, destination->name, row->endpoint);
    if (!track)
        track = new_track(samples, destination->name, row->endpoint);
    if (track->round == samples->round)
        return; /* a hostile segment may name two rows alike */
    track->round = samples->round;
    memcpy(track->hist[track->moments % (TOP_WINDOW + 1)], hist->bucket, sizeof track->hist[0]);
    take_moment(view, destination, row, &track->moment[track->moments++ % TOP_HISTORY]);
    if (track->moments < 2)
        return;
    judge_interval(track);
    judge_window(track);
}

void top_sample(struct top_samples *samples, const struct view *view)
{
    samples->round++;
    read_reasons(samples, view);
    for (uint32_t i = 0; i < view->destinations; i++)
        for (uint32_t r = 0; r < view->destination[i].rows; r++)
            sample_row(samples, view, &view->destination[i], &view->destination[i].row[r]);
    forget(samples, false);
}

void top_history(const struct top_track *track, double *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t steps = count - 1 - i;
        bool known = steps + 1 < track->moments && steps + 1 < TOP_HISTORY;
        const struct top_moment *before = known ? back(track, steps + 1) : NULL,
                                *after = known ? back(track, steps) : NULL;
        out[i] =
            known ? (grown(before->ok, after->ok) + grown(before->failed, after->failed)) / seconds(before, after) : 0;
    }
}
