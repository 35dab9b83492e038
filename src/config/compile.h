/* SPDX-License-Identifier: MIT
 * Text -> rules. Runs once in the life of a segment, in whichever process creates it, or in resctl.
 *
 * Never uses malloc or stdio (the host program may have replaced them): files are read by raw system
 * calls into anonymous mappings that are gone when config_compile() returns. Not signal safe, not for
 * two threads on one struct config_input at once; otherwise any thread.
 */
#ifndef RESIL_CONFIG_COMPILE_H
#define RESIL_CONFIG_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/rules.h"

struct model;

struct config_input {
    const char *path;        /* file, or NULL: the built-in text */
    const char *inline_text; /* the value of RESIL_RULES, or NULL; applied on top, ';' is a newline */
    /* NULL, or called once with the model (config/model.h) when there was no error: for those who ask where a value
     * comes from. The model is gone when config_compile() returns; rules are those that were compiled. */
    void (*visit)(void *context, const struct model *model, const struct rules *rules);
    void *context;
};

/* Where the errors go: a bounded text of lines "FILE:LINE:COLUMN: KEY: got `X', want Y", joined by '\n'.
 * RESIL_RULES is the file name of the inline text. */
struct config_errors {
    char *text;
    size_t size;
    size_t used;
    unsigned count; /* all errors, also those that did not fit */
};

/* config_compile(input, out, size, errors, written): compiles the text into out (at least
 * SEG_RULES_BYTES large). All errors are collected. Returns true and *written bytes when there was
 * none; false otherwise, and then out is unspecified and nothing of the file may be used. */
bool config_compile(const struct config_input *input, void *out, size_t size, struct config_errors *errors,
                    size_t *written);

/* config_find_file(resil_config, xdg, home, out, size): the file that the search order gives
 * ($RESIL_CONFIG as it is, even when missing; else the first that exists of $XDG_CONFIG_HOME/resil/resil.conf
 * or $HOME/.config/resil/resil.conf, and /etc/resil/resil.conf). Any argument may be NULL. Returns out, or
 * NULL when there is none: the built-in text. */
const char *config_find_file(const char *resil_config, const char *xdg, const char *home, char *out, size_t size);

/* The text used when there is no file. */
extern const char config_builtin_text[];

/* Rows of tables/keys.tbl.h for those who print or parse single values. */
struct key_info {
    const char *name, *def, *min, *max, *words, *help;
    enum key_kind kind;
};
extern const struct key_info key_info[KEY_COUNT];

/* config_key(name, length): its enum key, or -1. */
int config_key(const char *name, size_t length);

/* config_parse_value(key, text, length, value, want, size): parses one value of a non-TEXT key. False
 * with a sentence fragment in want ("a duration with its unit, such as 5000ms or 5s") when it is not legal. */
bool config_parse_value(int key, const char *text, size_t length, int64_t *value, char *want, size_t size);

/* config_format_value(key, value, out, size): the text that parses to value again; returns out. TEXT
 * keys are not for this function. */
char *config_format_value(int key, int64_t value, char *out, size_t size);

#endif
