/* SPDX-License-Identifier: MIT
 * The two forms of `resctl status`. only == NULL: every destination. */
#ifndef RESCTL_STATUS_H
#define RESCTL_STATUS_H

#include <stdio.h>

#include "json.h"
#include "view.h"

void status_json(const struct view *view, const struct view_destination *only);
void status_write_json(const struct view *view, const struct view_destination *only, FILE *out);
void status_table(const struct view *view, const struct view_destination *only);

/* The same of several segments at once, with the name of whose each is; name NULL: every destination. */
void status_tables(struct view *const *views, const char *const *users, size_t count, const char *name);
void status_jsons(struct view *const *views, const char *const *users, size_t count, const char *name);

/* status_all(name, as_json): of every segment that this user may read; an exit code. */
int status_all(const char *name, bool as_json);

/* status_unknown(view, name): complains that there is no such destination, with the nearest name; the exit code. */
int status_unknown(const struct view *view, const char *name);

/* What is told of `discover`: a member of a destination's first row; lines of the header. */
void status_discovery_json(struct json *json, const struct view *view, const struct view_destination *destination);
void status_discovery_print(const struct view *view);

#endif
