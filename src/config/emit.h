/* SPDX-License-Identifier: MIT
 * Model -> rules: who wins for each key, and the bytes. */
#ifndef RESIL_CONFIG_EMIT_H
#define RESIL_CONFIG_EMIT_H

#include "config/model.h"

/* emit_rules(model, out, size): checks what only the whole can show (presets that do not exist, destinations that
 * nothing matches) and writes the block; returns its bytes, 0 when an error was reported or the model holds one. */
size_t emit_rules(struct model *model, void *out, size_t size);

/* Who says the value of a key for a destination. */
struct emit_origin {
    int key;                       /* whose value it is: another key's where the default is "the value of that key" */
    const struct section *section; /* a destination, a preset or [defaults]; NULL: the key table's default */
    struct origin origin;          /* where that stands, unless section is NULL */
};

/* emit_origin(model, destination, key, out): of the destination with this index. After emit_rules(). */
void emit_origin(const struct model *model, uint32_t destination, int key, struct emit_origin *out);

#endif
