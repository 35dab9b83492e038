/* SPDX-License-Identifier: MIT
 * `resctl chaos set/list/clear`: faults into programs that run, with an end. The same mechanism as `resctl set'. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "choose.h"
#include "config/report.h"
#include "duration.h"
#include "known.h"
#include "overrides.h"
#include "print.h"
#include "publisher.h"

struct chaos {
    const char *period;
    uint64_t for_ns;
    bool forever, as_json;
    struct segment segment;
    struct view *view;
};

static int publish(struct chaos *chaos, const struct publisher_change *change)
{
    static struct publisher_report report;
    const struct publisher publisher = {.segment = &chaos->segment, .program = "resctl"};
    return publisher_exit(publisher_change(&publisher, change, 1, &report), &report, "chaos");
}

static void print_safe(const char *text)
{
    char safe[ESCAPED(1024)], whole[1024];
    fputs(escape_text(safe, sizeof safe, copy_text(whole, sizeof whole, text, sizeof whole)), stdout);
}

/* Who set it and until when, or that it stands in the configuration. */
static void print_source(const struct view *view, const struct view_destination *destination)
{
    uint32_t index = 0;
    const struct live_override *last = NULL;
    for (const struct live_override *row; (row = overrides_next(view, KEY_chaos, &index));)
        if (strcmp(live_text(view->live, row->destination), destination->name) == 0)
            last = row;
    if (last) {
        overrides_print(view, last);
        return;
    }
    print_safe(destination->name);
    printf(" chaos = ");
    print_safe(destination->chaos);
    printf(", as in the configuration");
}

static int list(struct chaos *chaos)
{
    const struct view *view = chaos->view;
    uint32_t shown = 0;
    if (chaos->as_json) {
        struct json json = {.out = stdout};
        json_object(&json, NULL);
        json_array(&json, "destinations");
        for (uint32_t i = 0; i < view->destinations; i++) {
            if (!view->destination[i].chaos[0])
                continue;
            json_object(&json, NULL);
            json_text(&json, "name", view->destination[i].name);
            json_text(&json, "chaos", view->destination[i].chaos);
            json_close(&json);
        }
        json_close(&json);
        overrides_json(&json, "overrides", view, KEY_chaos);
        json_close(&json);
        return finish_output();
    }
    for (uint32_t i = 0; i < view->destinations; i++) {
        if (!view->destination[i].chaos[0])
            continue;
        print_source(view, &view->destination[i]);
        putchar('\n');
        shown++;
    }
    if (!shown)
        printf("no fault is injected into any destination\n");
    return finish_output();
}

static int set(struct chaos *chaos, const char *name, const char *spec)
{
    const struct view_destination *destination = known_destination("chaos", chaos->view, name);
    if (!destination)
        return RESCTL_NO;
    if (!*spec || (chaos->for_ns != 0) == chaos->forever) {
        complain("chaos: %s", *spec ? "faults need an end: one of --for D and --forever" : "no fault is named");
        return RESCTL_USAGE;
    }
    const struct publisher_change change = {.destination = destination->name,
                                            .key = KEY_chaos,
                                            .value = spec,
                                            .until_ns = chaos->for_ns ? clock_now_ns() + chaos->for_ns : LIVE_FOREVER,
                                            .source = LIVE_SET};
    int code = publish(chaos, &change);
    if (code != RESCTL_OK)
        return code;
    view_release(chaos->view);
    chaos->view = view_take(&chaos->segment);
    destination = view_find(chaos->view, name);
    if (destination && destination->chaos[0]) {
        print_source(chaos->view, destination);
        putchar('\n');
    }
    return finish_output();
}

/* Of one destination, or of all. What the configuration itself says stays. */
static int clear(struct chaos *chaos, const char *name)
{
    if (name && !known_destination("chaos", chaos->view, name))
        return RESCTL_NO;
    const struct publisher_change change = {.destination = name, .key = KEY_chaos, .source = LIVE_SET};
    int code = publish(chaos, &change);
    if (code != RESCTL_OK)
        return code;
    view_release(chaos->view);
    chaos->view = view_take(&chaos->segment);
    for (uint32_t i = 0; i < chaos->view->destinations; i++) {
        const struct view_destination *destination = &chaos->view->destination[i];
        if (!destination->chaos[0] || (name && strcmp(name, destination->name) != 0))
            continue;
        print_safe(destination->name);
        printf(": the faults of the configuration stay; `resctl set ");
        print_safe(destination->name);
        printf(" chaos=' switches them off\n");
    }
    printf("%s: cleared\n", name ? name : "all destinations");
    return finish_output();
}

static int usage(const char *word)
{
    struct nearest nearest = {.got = {.text = word, .length = strlen(word)}};
    nearest_offer(&nearest, "set");
    nearest_offer(&nearest, "list");
    nearest_offer(&nearest, "clear");
    complain("chaos: got `%s', want set DEST SPEC, list or clear [DEST]; the nearest is %s", word, nearest.name);
    return RESCTL_USAGE;
}

static int act(struct chaos *chaos, const struct operands *operands)
{
    const char *verb = operands->text[0];
    if (strcmp(verb, "set") == 0 && operands->count == 3)
        return set(chaos, operands->text[1], operands->text[2]);
    if (strcmp(verb, "list") == 0 && operands->count == 1)
        return list(chaos);
    if (strcmp(verb, "clear") == 0 && operands->count <= 2)
        return clear(chaos, operands->text[1]);
    return usage(verb);
}

int command_chaos(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    struct chaos chaos = {.forever = false};
    const struct option_row rows[] = {FOR_OPTION(chaos.period, "set: the faults end by themselves after D"),
                                      {"forever", 0, OPTION_FLAG, &chaos.forever, NULL, "set: they stay until cleared"},
                                      {"json", 'j', OPTION_FLAG, &chaos.as_json, NULL, "list: as one JSON object"},
                                      CHOICE_OPTIONS(choice),
                                      {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 3};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!duration_read("chaos", chaos.period, &chaos.for_ns))
        return RESCTL_USAGE;
    bool writes = strcmp(operands.text[0], "list") != 0;
    if ((code = choose_open(&choice, writes, &chaos.segment)) != RESCTL_OK)
        return code;
    chaos.view = view_take(&chaos.segment);
    code = act(&chaos, &operands);
    view_release(chaos.view);
    return code;
}
