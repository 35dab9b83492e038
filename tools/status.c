/* SPDX-License-Identifier: MIT
 * `resctl status`: what every destination and endpoint does now. Never writes to the segment. */
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "config/report.h"
#include "print.h"
#include "status.h"

int status_unknown(const struct view *view, const char *name)
{
    char safe[ESCAPED(SEG_NAME)];
    struct nearest nearest = {.got = {.text = name, .length = strlen(name)}};
    for (uint32_t i = 0; i < view->destinations; i++)
        nearest_offer(&nearest, view->destination[i].name);
    complain("no destination `%s' in %s%s%s", name, view->segment->path, nearest.name ? "; the nearest is " : "",
             nearest.name ? escape_text(safe, sizeof safe, nearest.name) : "");
    return RESCTL_NO;
}

static int show(const struct view *view, const char *name, bool as_json)
{
    const struct view_destination *only = name ? view_find(view, name) : NULL;
    if (name && !only)
        return status_unknown(view, name);
    if (as_json)
        status_json(view, only);
    else
        status_table(view, only);
    return finish_output();
}

int command_status(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool as_json = false, all = false;
    const struct option_row rows[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object"},
        {"all", 'a', OPTION_FLAG, &all, NULL, "every segment that you may read, with its user"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_max = 1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    /* Root looks after everybody; scripts that read JSON get what they got before. */
    if (all || (geteuid() == 0 && !as_json && !choose_given(&choice)))
        return status_all(operands.text[0], as_json);
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    code = show(view, operands.text[0], as_json);
    view_release(view);
    return code;
}
