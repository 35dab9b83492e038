/* SPDX-License-Identifier: MIT
 * `resctl reset DEST[/ENDPOINT]`: closes breakers by hand. */
#include <stdio.h>
#include <string.h>

#include "choose.h"
#include "config/report.h"
#include "print.h"
#include "segment/gate.h"
#include "segment/rows.h"
#include "view.h"

/* What is to be reset. */
struct target {
    const struct segment *segment;
    char name[SEG_NAME];
    const char *endpoint; /* NULL: the destination and all its endpoints */
};

static bool is_ours(const struct target *target, uint32_t index)
{
    char text[SEG_LABEL];
    const struct seg_row *row = seg_row(target->segment, index);
    if (!rows_ready(row) || strcmp(copy_text(text, sizeof text, row->name, sizeof row->name), target->name) != 0)
        return false;
    if (!target->endpoint)
        return row->kind == ROW_DESTINATION || row->kind == ROW_ENDPOINT || row->kind == ROW_FALLBACK;
    return (row->kind == ROW_ENDPOINT || row->kind == ROW_FALLBACK) &&
           strcmp(copy_text(text, sizeof text, row->label, sizeof row->label), target->endpoint) == 0;
}

/* A breaker that never counted anything: of a destination whose endpoints have one each, for instance. Resetting it
 * would count a transition that nobody made. */
static bool is_untouched(const struct seg_row *row)
{
    uint64_t used = atomic_load(&row->breaker) | atomic_load(&row->forced);
    for (int i = 0; i < SEG_BUCKETS; i++)
        used |= atomic_load(&row->bucket[i]);
    return used == 0;
}

/* How many rows the target is; 0: it does not exist, or had no call yet. */
static uint32_t reset_rows(const struct target *target)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        if (!is_ours(target, i))
            continue;
        if (!is_untouched(seg_row(target->segment, i)))
            gate_reset(&(struct gate){.segment = target->segment, .row = i, .program = "resctl"});
        count++;
    }
    return count;
}

/* A name may be of a destination, or of one and of its endpoint behind the first slash that splits it so. */
static const struct view_destination *parse_target(const struct view *view, const char *text, struct target *target)
{
    const struct view_destination *found = view_find(view, text);
    copy_text(target->name, sizeof target->name, text, sizeof target->name);
    for (const char *slash = strchr(text, '/'); !found && slash; slash = strchr(slash + 1, '/')) {
        if ((size_t)(slash - text) >= sizeof target->name)
            break;
        copy_text(target->name, sizeof target->name, text, (size_t)(slash - text));
        target->endpoint = slash + 1;
        found = view_find(view, target->name);
    }
    return found;
}

static int unknown(const struct view *view, const char *text, const struct view_destination *destination)
{
    char safe[ESCAPED(SEG_LABEL)];
    struct nearest nearest = {.got = {.text = text, .length = strcspn(text, "/")}};
    if (destination)
        nearest.got = (struct slice){.text = strchr(text, '/') + 1, .length = strlen(strchr(text, '/') + 1)};
    for (uint32_t i = 0; !destination && i < view->destinations; i++)
        nearest_offer(&nearest, view->destination[i].name);
    for (uint32_t i = 1; destination && i < destination->rows; i++)
        nearest_offer(&nearest, destination->row[i].endpoint);
    complain("reset: no %s `%s' in %s%s%s", destination ? "endpoint" : "destination", text, view->segment->path,
             nearest.name ? "; the nearest is " : "", nearest.name ? escape_text(safe, sizeof safe, nearest.name) : "");
    return RESCTL_NO;
}

static int reset(const struct segment *segment, const struct view *view, const char *text)
{
    struct target target = {.segment = segment};
    const struct view_destination *destination = parse_target(view, text, &target);
    uint32_t count = destination ? reset_rows(&target) : 0;
    if (!destination || (count == 0 && target.endpoint))
        return unknown(view, text, destination);
    if (count == 0)
        printf("%s: nothing to reset, it has had no call yet\n", text);
    else
        printf("%s: reset\n", text);
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
    code = reset(&segment, view, operands.text[0]);
    view_release(view);
    return code;
}
