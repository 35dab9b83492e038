/* SPDX-License-Identifier: MIT
 * `resctl affinity clear [DEST]`: processes that keep an endpoint (balance.affinity = process) choose anew. */
#include <stdio.h>
#include <string.h>

#include "choose.h"
#include "known.h"
#include "policy/conf.h"
#include "print.h"
#include "segment/rows.h"

static int clear(const struct segment *segment, const struct view *view, const char *name)
{
    uint32_t cleared = 0;
    if (name && !known_destination("affinity", view, name))
        return RESCTL_NO;
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        bool keeps = destination->conf && destination->conf->balance_affinity == AFFINITY_PROCESS;
        if ((name && strcmp(name, destination->name) != 0) || !keeps || destination->seg_row == ROW_NONE)
            continue;
        atomic_fetch_add(&seg_row(segment, destination->seg_row)->affinity, 1);
        cleared++;
    }
    if (cleared == 0)
        printf("%s: no process keeps an endpoint\n", name ? name : "all destinations");
    else
        printf("%s: every process chooses anew\n", name ? name : "all destinations");
    return finish_output();
}

int command_affinity(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    const struct option_row rows[] = {CHOICE_OPTIONS(choice), {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 2};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (strcmp(operands.text[0], "clear") != 0) {
        complain("affinity: got `%s', want clear [DEST]", operands.text[0]);
        return RESCTL_USAGE;
    }
    if ((code = choose_open(&choice, true, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    code = clear(&segment, view, operands.text[1]);
    view_release(view);
    return code;
}
