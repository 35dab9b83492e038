/* SPDX-License-Identifier: MIT
 * `resctl reset DEST[/ENDPOINT]`: closes breakers by hand. */
#include <stdio.h>

#include "breakers.h"
#include "choose.h"
#include "print.h"

/* A breaker that never counted anything: of a destination whose endpoints have one each, for instance. Resetting it
 * would count a transition that nobody made. */
static bool is_untouched(const struct seg_row *row)
{
    uint64_t used = atomic_load(&row->breaker) | atomic_load(&row->force);
    for (int i = 0; i < SEG_BUCKETS; i++)
        used |= atomic_load(&row->bucket[i]);
    return used == 0;
}

static int reset(struct breakers *breakers)
{
    if (!breakers_find(breakers, false))
        return RESCTL_NO;
    for (uint32_t i = 0; i < breakers->rows; i++) {
        struct gate gate = breakers_gate(breakers, breakers->row[i]);
        if (!is_untouched(seg_row(breakers->segment, gate.row)))
            gate_reset(&gate);
    }
    printf(breakers->rows ? "%s: reset\n" : "%s: nothing to reset, it has had no call yet\n", breakers->text);
    return finish_output();
}

int command_reset(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    const struct option_row rows[] = {CHOICE_OPTIONS(choice), {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, true, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    struct breakers breakers = {.segment = &segment, .view = view, .subject = self->name, .text = operands.text[0]};
    code = reset(&breakers);
    view_release(view);
    return code;
}
