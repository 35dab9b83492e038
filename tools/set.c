/* SPDX-License-Identifier: MIT
 * `resctl set DEST KEY=VALUE...`: values over those of the configuration, for a while. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "choose.h"
#include "duration.h"
#include "known.h"
#include "overrides.h"
#include "print.h"
#include "publisher.h"

enum { CHANGES = 64 };

struct setting_up {
    const struct view_destination *destination;
    struct publisher_change change[CHANGES];
    uint32_t count;
    bool clears;
    uint64_t for_ns;
};

/* Given to libc's resolver when a program starts: nothing reaches it later. */
static bool is_fixed(int key)
{
    if (key != KEY_timeout_dns_ns)
        return false;
    complain("set: %s cannot be changed for programs that run: they are given it when they start (resctl run)",
             key_info[key].name);
    return true;
}

/* Faults must not be forgotten: they end by themselves, or somebody says that they do not (resctl chaos set). */
static bool needs_end(const struct setting_up *work, int key, const char *value)
{
    if (key != KEY_chaos || !*value || work->for_ns || strcmp(value, "deny") == 0)
        return false;
    complain("set: chaos needs an end: --for D, or `resctl chaos set DEST SPEC --forever'");
    return true;
}

/* "KEY=VALUE", or with --clear "KEY". */
static bool add(struct setting_up *work, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t length = work->clears || !equals ? strlen(text) : (size_t)(equals - text);
    while (length && text[length - 1] == ' ')
        length--;
    if (!work->clears && !equals) {
        complain("set: got `%s', want KEY=VALUE", text);
        return false;
    }
    int key = known_key("set", text, length);
    const char *value = work->clears ? NULL : equals + 1 + strspn(equals + 1, " ");
    if (key < 0 || is_fixed(key) || (value && needs_end(work, key, value)))
        return false;
    if (work->count == CHANGES) {
        complain("set: at most %d values at once", CHANGES);
        return false;
    }
    work->change[work->count++] =
        (struct publisher_change){.destination = work->destination->name,
                                  .key = key,
                                  .value = value,
                                  .until_ns = work->for_ns ? clock_now_ns() + work->for_ns : LIVE_FOREVER,
                                  .source = LIVE_SET};
    return true;
}

/* What stands for the destination now. */
static void print_values(const struct segment *segment, const char *name)
{
    struct view *view = view_take(segment);
    uint32_t index = 0, shown = 0;
    for (const struct live_override *row; (row = overrides_next(view, -1, &index));) {
        if (strcmp(live_text(view->live, row->destination), name) != 0)
            continue;
        overrides_print(view, row);
        putchar('\n');
        shown++;
    }
    if (!shown)
        printf("%s: as in the configuration\n", name);
    view_release(view);
}

static int set(struct segment *segment, const struct view *view, struct setting_up *work, char **operand)
{
    static struct publisher_report report;
    const struct publisher publisher = {.segment = segment, .program = "resctl"};
    work->destination = known_destination("set", view, *operand);
    if (!work->destination)
        return RESCTL_NO;
    for (operand++; *operand; operand++)
        if (!add(work, *operand))
            return RESCTL_USAGE;
    if (work->count == 0 && !work->clears) {
        print_values(segment, work->destination->name);
        return finish_output();
    }
    if (work->count == 0)
        work->change[work->count++] =
            (struct publisher_change){.destination = work->destination->name, .key = -1, .source = LIVE_SET};
    int code = publisher_exit(publisher_change(&publisher, work->change, work->count, &report), &report, "set");
    if (code != RESCTL_OK)
        return code;
    print_values(segment, work->destination->name);
    return finish_output();
}

int command_set(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    struct setting_up work = {.clears = false};
    const char *period = NULL;
    const struct option_row rows[] = {
        FOR_OPTION(period, "the values end by themselves after D; else they stay until they are cleared"),
        {"clear", 0, OPTION_FLAG, &work.clears, NULL, "take the values of these keys away again, or of all of them"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = -1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!duration_read("set", period, &work.for_ns))
        return RESCTL_USAGE;
    if ((code = choose_open(&choice, true, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    code = set(&segment, view, &work, operands.text);
    view_release(view);
    return code;
}
