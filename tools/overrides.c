/* SPDX-License-Identifier: MIT
 * Words for what is laid over the rules. */
#include "overrides.h"

#include <stdio.h>

#include "base/clock.h"
#include "config/compile.h"
#include "print.h"

const struct live_override *overrides_next(const struct view *view, int key, uint32_t *index)
{
    while (view->live && *index < view->live->overrides) {
        const struct live_override *row = live_override(view->live, (*index)++);
        if (row->until_ns > view->now_ns && row->key < KEY_COUNT && (key < 0 || row->key == (uint32_t)key))
            return row;
    }
    return NULL;
}

const char *overrides_rest(const struct view *view, uint64_t until_ns, char *out)
{
    char rest[DURATION_TEXT];
    if (until_ns == LIVE_FOREVER)
        return "until it is cleared";
    uint64_t rest_ns = until_ns > view->now_ns ? until_ns - view->now_ns : 0;
    snprintf(out, OVERRIDE_REST, "for another %s", format_rough(rest, rest_ns / (uint64_t)NS_PER_US));
    return out;
}

static void print_safe(const char *text)
{
    char safe[ESCAPED(1024)], whole[1024];
    fputs(escape_text(safe, sizeof safe, copy_text(whole, sizeof whole, text, sizeof whole)), stdout);
}

void overrides_print(const struct view *view, const struct live_override *row)
{
    char rest[OVERRIDE_REST], when[TIME_TEXT];
    print_safe(live_text(view->live, row->destination));
    printf(" %s = ", key_info[row->key].name);
    print_safe(live_text(view->live, row->value));
    printf(", %s, by ", overrides_rest(view, row->until_ns, rest));
    print_safe(row->program);
    printf(" uid %u pid %u at %s", row->uid, row->pid, format_time(when, row->set_wall_ns));
}

void overrides_json(struct json *json, const char *name, const struct view *view, int key)
{
    uint32_t index = 0;
    char when[TIME_TEXT];
    json_array(json, name);
    for (const struct live_override *row; (row = overrides_next(view, key, &index));) {
        json_object(json, NULL);
        json_text(json, "destination", live_text(view->live, row->destination));
        json_text(json, "key", key_info[row->key].name);
        json_text(json, "value", live_text(view->live, row->value));
        json_text(json, "source", row->source == LIVE_SET ? "set" : "discovery");
        if (row->until_ns == LIVE_FOREVER)
            json_null(json, "rest_ms");
        else
            json_number(json, "rest_ms", (row->until_ns - view->now_ns + NS_PER_MS - 1) / NS_PER_MS);
        json_text(json, "set_at", format_time(when, row->set_wall_ns));
        json_number(json, "uid", row->uid);
        json_number(json, "pid", row->pid);
        json_text(json, "program", row->program);
        json_close(json);
    }
    json_close(json);
}
