/* SPDX-License-Identifier: MIT
 * Names that a user types: found, or complained of with the nearest one. */
#ifndef RESCTL_KNOWN_H
#define RESCTL_KNOWN_H

#include "view.h"

/* known_destination(subject, view, name): the destination of the current rules, or NULL after a complaint. */
const struct view_destination *known_destination(const char *subject, const struct view *view, const char *name);

/* known_key(subject, name, length): the key, or -1 after a complaint. */
int known_key(const char *subject, const char *name, size_t length);

#endif
