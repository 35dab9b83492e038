/* SPDX-License-Identifier: MIT
 * Where the parser stands in one text, and how it gets into another. */
#ifndef RESIL_CONFIG_INCLUDE_H
#define RESIL_CONFIG_INCLUDE_H

#include "config/model.h"
#include "config/source.h"

struct parser {
    struct model *model;
    enum layer layer;
    const char *file; /* as errors show it */
    struct reader reader;
    struct section *section;     /* where settings go, NULL before the first header */
    bool headed;                 /* a header has been seen */
    bool skipping;               /* the lines of a section of unknown kind */
    const struct source *source; /* NULL: a text that is no file */
    const struct parser *includer;
};

/* parse_lines(parser): the whole text of parser->reader. */
void parse_lines(struct parser *parser);

/* include_files(parser, value): what `include = value` says. */
void include_files(struct parser *parser, struct slice value);

#endif
