/* SPDX-License-Identifier: MIT
 * The configuration between its text and its rules: sections and what was set in them.
 *
 * Texts come in layers. Within a layer a thing is said once; a later layer amends an earlier one.
 */
#ifndef RESIL_CONFIG_MODEL_H
#define RESIL_CONFIG_MODEL_H

#include "config/arena.h"
#include "config/endpoint.h"
#include "config/pattern.h"
#include "config/report.h"

enum { DESTINATIONS_MAX = 900, PRESETS_MAX = 900, PRESET_WORDS_MAX = 32, PATTERNS_MAX = 20000 };

enum layer { LAYER_NONE, LAYER_BUILTIN, LAYER_FILE, LAYER_INLINE };

enum section_kind {
    SECTION_DEFAULTS,
    SECTION_PRESET,
    SECTION_DESTINATION,
    SECTION_CHECK,
    SECTION_EVENTS,
    SECTION_KINDS
};

/* Where something was said; layer is LAYER_NONE while it was not. */
struct origin {
    enum layer layer;
    struct place place;
};

struct setting {
    struct origin origin;
    int64_t value;                    /* of all kinds but TEXT */
    const char *text;                 /* of TEXT */
    uint32_t text_at;                 /* the emitter's: where text stands in the pool, 0 = not yet */
    const struct endpoint *endpoints; /* of `endpoints`, `fallback` and `via`: in the order of the text */
    bool follows;                     /* set to "the value of that key", as the table's default has it */
};

struct preset_use {
    struct slice name;
    struct place place;
    struct section *preset;     /* the emitter's; NULL when there is none of this name */
    struct preset_use *earlier; /* of lower rank */
};

struct section {
    enum section_kind kind;
    const char *name;     /* "" of [defaults] */
    struct origin origin; /* the last layer that opened it, and where it was opened first */
    struct setting setting[KEY_COUNT];
    struct origin presets_origin;
    struct preset_use *presets; /* the last, which wins */
    unsigned patterns;
    uint32_t index; /* among the sections of its kind */
    struct section *next;
};

struct section_list {
    struct section *first, *last;
    uint32_t count;
};

struct model {
    struct arena arena;
    struct config_errors *errors;
    struct section_list sections[SECTION_KINDS];
    struct section scratch; /* takes what belongs to a section that is in error itself */
    struct pattern *first_pattern, *last_pattern;
    uint32_t patterns;
    unsigned files; /* read or looked for so far */
    struct origin degraded_origin;
    uint32_t degraded_code; /* health.degraded_code, 0: not set */
};

/* model_section(model, kind, name): the section of that name, or NULL. */
struct section *model_section(const struct model *model, enum section_kind kind, struct slice name);

/* model_open(model, kind, name, origin): the section for what follows its header: a new one, one of an earlier layer
 * to amend, or the scratch section after reporting an error. Never NULL. */
struct section *model_open(struct model *model, enum section_kind kind, struct slice name, struct origin origin);

/* model_add(model, kind, name, origin): a further section, whatever its name; NULL without memory. */
struct section *model_add(struct model *model, enum section_kind kind, const char *name, struct origin origin);

/* model_claim(model, said, origin, subject): notes that something is said at origin. False, and reported, when this
 * layer has said it before. */
bool model_claim(struct model *model, struct origin *said, struct origin origin, const char *subject);

/* model_set(model, section, key, value, origin): what `key = value` says; reports errors. */
void model_set(struct model *model, struct section *section, int key, struct slice value, struct origin origin);

/* model_use_presets(model, section, names, origin): what `preset = names` says. */
void model_use_presets(struct model *model, struct section *section, struct slice names, struct origin origin);

/* model_match(model, section, patterns, origin): what `match = patterns` says. */
void model_match(struct model *model, struct section *section, struct slice patterns, struct origin origin);

#endif
