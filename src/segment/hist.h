/* SPDX-License-Identifier: MIT
 * Latency histograms: log-linear, four buckets an octave, in microseconds (a coarse HdrHistogram).
 * Any thread; signal safe. */
#ifndef RESIL_SEGMENT_HIST_H
#define RESIL_SEGMENT_HIST_H

#include "segment/layout.h"

uint32_t hist_bucket(uint64_t us);
/* The middle of a bucket. */
uint64_t hist_value_us(uint32_t bucket);
/* Where a bucket ends: the first value above it. */
uint64_t hist_end_us(uint32_t bucket);
void hist_add(struct seg_hist *hist, uint64_t ns);

#endif
