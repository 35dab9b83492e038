/* SPDX-License-Identifier: MIT
 * Files and inline rules, compiled. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/compile.h"
#include "print.h"
#include "segment/layout.h"

enum { ERRORS = 1 << 16 };

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void settings_compile(const char *path, const char *rules_text, struct settings *settings)
{
    settings_visit(path, rules_text, NULL, NULL, settings);
}

void settings_visit(const char *path, const char *rules_text,
                    void (*visit)(void *context, const struct model *model, const struct rules *rules), void *context,
                    struct settings *settings)
{
    char found[sizeof settings->path];
    struct config_errors errors = {.text = take_memory(ERRORS, 1), .size = ERRORS};
    void *block = take_memory(SEG_RULES_BYTES, 1);
    size_t bytes;
    if (!path && !rules_text)
        rules_text = variable("RESIL_RULES");
    if (!path)
        path = config_find_file(variable("RESIL_CONFIG"), variable("XDG_CONFIG_HOME"), variable("HOME"), found,
                                sizeof found);
    struct config_input input = {
        .path = path, .inline_text = rules_text && *rules_text ? rules_text : NULL, .visit = visit, .context = context};
    bool ok = config_compile(&input, block, SEG_RULES_BYTES, &errors, &bytes);
    *settings = (struct settings){.rules = ok ? block : NULL, .errors = errors.text, .error_count = errors.count};
    copy_text(settings->path, sizeof settings->path, path ? path : "", path ? strlen(path) : 0);
    if (!ok)
        free(block);
}

void settings_print_errors(const struct settings *settings)
{
    unsigned lines = 0;
    for (const char *text = settings->errors; *text; lines++) {
        size_t length = strcspn(text, "\n");
        fprintf(stderr, "%.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
    if (settings->error_count > lines)
        fprintf(stderr, "and %u more errors\n", settings->error_count - lines);
}

void settings_release(struct settings *settings)
{
    free(settings->rules);
    free(settings->errors);
}
