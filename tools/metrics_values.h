/* SPDX-License-Identifier: MIT
 * The value of each gauge of metric_gauges.tbl.h. Pure; destination and row are NULL of those of the segment. */
#ifndef RESCTL_METRICS_VALUES_H
#define RESCTL_METRICS_VALUES_H

#include "view.h"

struct metric_subject {
    const struct view *view;
    const struct view_destination *destination;
    const struct view_row *row; /* destination->row: the destination as a whole */
};

#define GAUGE(name, scope, label, value, function, help) double function(const struct metric_subject *subject);
#include "metric_gauges.tbl.h"

#endif
