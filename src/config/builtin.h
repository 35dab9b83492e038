/* SPDX-License-Identifier: MIT
 * Configuration text that needs no file. */
#ifndef RESIL_CONFIG_BUILTIN_H
#define RESIL_CONFIG_BUILTIN_H

/* The presets that every configuration may use, in the language of the file. "standard" is empty here: it holds
 * the defaults of the key table. */
extern const char builtin_presets_text[];

#endif
