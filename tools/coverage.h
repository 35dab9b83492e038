/* SPDX-License-Identifier: MIT
 * What share of the bytes of closed connections the hooks saw, as a reader of the segment. */
#ifndef RESCTL_COVERAGE_H
#define RESCTL_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "segment/layout.h"

struct coverage {
    uint64_t kernel_out, kernel_in, seen_out, seen_in;
};

struct coverage coverage_read(const struct seg_coverage *sums);

/* coverage_ratio(coverage, ratio): over both directions, at most 1; false when nothing was closed yet. */
bool coverage_ratio(const struct coverage *coverage, double *ratio);

/* An object of the four sums and the ratio, or null. */
void coverage_json(struct json *json, const struct coverage *coverage);

#endif
