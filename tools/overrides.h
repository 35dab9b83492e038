/* SPDX-License-Identifier: MIT
 * What is laid over the rules at this moment, as `status', `set' and `chaos' show it. */
#ifndef RESCTL_OVERRIDES_H
#define RESCTL_OVERRIDES_H

#include "json.h"
#include "view.h"

enum { OVERRIDE_REST = 48 };

/* overrides_next(view, key, index): the next value of that key (-1: any) that stands at view->now_ns, from *index on,
 * which is moved behind it; NULL: there is none. */
const struct live_override *overrides_next(const struct view *view, int key, uint32_t *index);

/* overrides_print(view, row): "DEST KEY = VALUE, for another 4m10s, by resctl uid 0 pid 12 at TIME", without a newline.
 */
void overrides_print(const struct view *view, const struct live_override *row);

/* overrides_json(json, view, key): an array of them. */
void overrides_json(struct json *json, const char *name, const struct view *view, int key);

/* overrides_rest(view, until_ns, out): "for another 4m10s", or "until it is cleared"; out has OVERRIDE_REST bytes. */
const char *overrides_rest(const struct view *view, uint64_t until_ns, char *out);

#endif
