/* SPDX-License-Identifier: MIT
 * The compilation as a whole: built-in presets, then the file or the text in its place, then the inline text. */
#include "config/compile.h"

#include <string.h>

#include "config/builtin.h"
#include "config/emit.h"
#include "config/parser.h"

static const char builtin_name[] = "built-in";

/* The preset "standard" holds the defaults of what the policies do, so that naming it undoes [defaults]; how
 * strictly they are applied (mode, enforce) is left alone, or it could end an observation by accident. */
static void fill_standard_preset(struct model *model)
{
    static const char *const groups[] = {"timeout.", "breaker.", "bulkhead."};
    struct section *standard = model_section(model, SECTION_PRESET, (struct slice){"standard", strlen("standard"), 1});
    struct origin origin = {LAYER_BUILTIN, {builtin_name, 1, 1}};
    for (int key = 0; standard && key < KEY_COUNT; key++) {
        const char *value = key_info[key].def;
        for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++)
            if (strncmp(key_info[key].name, groups[group], strlen(groups[group])) == 0)
                model_set(model, standard, key, (struct slice){value, strlen(value), 1}, origin);
    }
}

static void parse_all(struct model *model, const struct config_input *input)
{
    parse_text(model, LAYER_BUILTIN, builtin_name, builtin_presets_text);
    fill_standard_preset(model);
    if (input->path)
        parse_file(model, input->path);
    else
        parse_text(model, LAYER_FILE, builtin_name, config_builtin_text);
    if (input->inline_text)
        parse_text(model, LAYER_INLINE, "RESIL_RULES", input->inline_text);
}

bool config_compile(const struct config_input *input, void *out, size_t size, struct config_errors *errors,
                    size_t *written)
{
    struct model model = {.errors = errors};
    errors->used = 0;
    errors->count = 0;
    if (errors->text && errors->size)
        errors->text[0] = '\0';
    *written = 0;
    parse_all(&model, input);
    size_t bytes = emit_rules(&model, out, size);
    if (model.arena.exhausted)
        report_error(errors, (struct place){.file = input->path ? input->path : builtin_name}, NULL,
                     "needs more memory than there is, or than a configuration may use");
    if (input->visit && errors->count == 0)
        input->visit(input->context, &model, out);
    arena_release(&model.arena);
    if (errors->count)
        return false;
    *written = bytes;
    return true;
}
