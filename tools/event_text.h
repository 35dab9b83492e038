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

#endif
