/* SPDX-License-Identifier: MIT
 * A view as Prometheus metrics. */
#ifndef RESCTL_METRICS_H
#define RESCTL_METRICS_H

#include <stdio.h>

#include "view.h"

/* metrics_write(view, out, openmetrics): all of them. The number of series is bounded by the rows of the segment and
 * the destinations of the rules; nothing is taken from addresses that no destination matches. */
void metrics_write(const struct view *view, FILE *out, bool openmetrics);

#endif
