/* SPDX-License-Identifier: MIT
 * Model -> rules: who wins for each key, and the bytes. */
#ifndef RESIL_CONFIG_EMIT_H
#define RESIL_CONFIG_EMIT_H

#include "config/model.h"

/* emit_rules(model, out, size): checks what only the whole can show (presets that do not exist, destinations that
 * nothing matches) and writes the block; returns its bytes, 0 when an error was reported or the model holds one. */
size_t emit_rules(struct model *model, void *out, size_t size);

#endif
