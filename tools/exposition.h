/* SPDX-License-Identifier: MIT
 * A writer of Prometheus text: format 0.0.4, or OpenMetrics 1.0. Knows the formats, and nothing of what is told.
 *
 * Families come one after the other, each once: a further one of the same name is refused, for a scrape with a name
 * twice is lost as a whole. Label values may be any bytes: what is no UTF-8, or a control character, is written as
 * \xNN. One thread. */
#ifndef RESCTL_EXPOSITION_H
#define RESCTL_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { EXPOSITION_FAMILIES = 192, EXPOSITION_NAME = 96 };

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

struct exposition {
    FILE *out;
    bool openmetrics;
    char name[EXPOSITION_FAMILIES][EXPOSITION_NAME]; /* that were begun */
    unsigned families;
    enum metric_type type; /* of the last one */
};

struct metric_label {
    const char *name, *value;
};

/* exposition_family(exposition, type, name, help): begins a family; its name without _total and _info. False: it may
 * not be written, because the name is none or was there before. */
bool exposition_family(struct exposition *exposition, enum metric_type type, const char *name, const char *help);

/* A sample of the family begun last: the suffix of its name, its labels (ended by one without name), its value. */
void exposition_count(struct exposition *exposition, const char *suffix, const struct metric_label *labels,
                      uint64_t value);
void exposition_value(struct exposition *exposition, const char *suffix, const struct metric_label *labels,
                      double value);

/* exposition_number(value, out, size): a value as both formats write it; returns out. */
const char *exposition_number(double value, char *out, size_t size);

void exposition_end(struct exposition *exposition);

#endif
