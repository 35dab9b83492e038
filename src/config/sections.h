/* SPDX-License-Identifier: MIT
 * The sections that are for the agent and for `resctl health`, and hold no policy: [check NAME] and [events]. Their
 * keys stand in tables of their own (check_keys.tbl.h, event_keys.tbl.h); a section keeps them in the places of the
 * others.
 */
#ifndef RESIL_CONFIG_SECTIONS_H
#define RESIL_CONFIG_SECTIONS_H

#include "config/model.h"

enum check_key {
#define CHECKKEY(field, name, kind, def, min, max, words, help) CHECK_##field,
#include "tables/check_keys.tbl.h"
    CHECK_KEYS
};

enum event_key {
#define EVENTKEY(field, name, kind, def, min, max, words, help) EVENTS_##field,
#include "tables/event_keys.tbl.h"
    EVENT_KEYS
};

/* sections_own(kind): whether the section's keys are not those of destinations. */
bool sections_own(enum section_kind kind);

/* sections_set(model, section, name, value, origin): what `name = value` says in such a section; reports errors. */
void sections_set(struct model *model, struct section *section, struct slice name, struct slice value,
                  struct origin origin);

/* sections_check(model): reports checks that ask nothing, or two things. */
void sections_check(struct model *model);

/* sections_degraded_code(model, section, value, origin): what `health.degraded_code = value` says in [defaults]. */
void sections_degraded_code(struct model *model, struct section *section, struct slice value, struct origin origin);

/* The effective value of a key of such a section (NULL: there is no such section). */
int64_t sections_value(const struct section *section, enum section_kind kind, int key);
const char *sections_text(const struct section *section, int key);

#endif
