/* SPDX-License-Identifier: MIT
 * Text -> model: lines, sections, directives and included files. */
#ifndef RESIL_CONFIG_PARSER_H
#define RESIL_CONFIG_PARSER_H

#include "config/model.h"

/* parse_text(model, layer, file, text): a whole text that is no file; relative includes are errors. In
 * LAYER_INLINE ';' ends a line, and what stands before the first header belongs to [defaults]. */
void parse_text(struct model *model, enum layer layer, const char *file, const char *text);

/* parse_file(model, path): a file and what it includes, as LAYER_FILE. */
void parse_file(struct model *model, const char *path);

#endif
