/* SPDX-License-Identifier: MIT
 * One event as a line for people or as a JSON object. */
#ifndef RESCTL_EVENT_TEXT_H
#define RESCTL_EVENT_TEXT_H

#include <stdio.h>

#include "segment/layout.h"

/* event: as event_read() gave it. Its texts and numbers may still be anything. */
void event_print(const struct seg_event *event);
void event_print_json(const struct seg_event *event);
void event_write_json(const struct seg_event *event, FILE *out);

/* event_words(event): its words; "" where it has none. All but `error' and the texts of the event itself are of tables.
 */
struct event_words {
    const char *kind, *from, *to, *reason, *error;
};
struct event_words event_words(const struct seg_event *event);

#endif
