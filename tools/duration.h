/* SPDX-License-Identifier: MIT
 * --for D: how long something stands that somebody lays over the rules or over a breaker. */
#ifndef RESCTL_DURATION_H
#define RESCTL_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#define FOR_OPTION(variable, row_help)                                                                                 \
    {                                                                                                                  \
        "for", 0, OPTION_TEXT, &(variable), "D", row_help                                                              \
    }

/* duration_read(subject, text, ns): text of the option; NULL is 0: no end. False after a complaint. */
bool duration_read(const char *subject, const char *text, uint64_t *ns);

#endif
