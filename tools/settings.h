/* SPDX-License-Identifier: MIT
 * Compiling a configuration as a process under the library would, for `run` and `check`. */
#ifndef RESCTL_SETTINGS_H
#define RESCTL_SETTINGS_H

#include "config/rules.h"

struct model;

struct settings {
    char path[4096];     /* the file that was used, "" for the built-in text */
    struct rules *rules; /* NULL when there was an error */
    char *errors;        /* lines */
    unsigned error_count;
};

/* settings_compile(path, rules_text, settings): path NULL: the file that the search order gives; rules_text NULL: what
 * $RESIL_RULES says when path is NULL too, else nothing. Give the result to settings_release(). */
void settings_compile(const char *path, const char *rules_text, struct settings *settings);

/* settings_visit(path, rules_text, visit, context, settings): likewise, with a look at the model (config/compile.h). */
void settings_visit(const char *path, const char *rules_text,
                    void (*visit)(void *context, const struct model *model, const struct rules *rules), void *context,
                    struct settings *settings);
void settings_print_errors(const struct settings *settings); /* to stderr */
void settings_release(struct settings *settings);

#endif
