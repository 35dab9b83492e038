/* SPDX-License-Identifier: MIT
 * Names, and the nearest ones. */
#include "known.h"

#include <string.h>

#include "config/compile.h"
#include "config/report.h"
#include "print.h"

const struct view_destination *known_destination(const char *subject, const struct view *view, const char *name)
{
    char safe[ESCAPED(SEG_NAME)], given[ESCAPED(SEG_NAME)];
    const struct view_destination *found = view_find(view, name);
    if (found && found->conf)
        return found;
    struct nearest nearest = {.got = {.text = name, .length = strlen(name)}};
    for (uint32_t i = 0; i < view->destinations; i++)
        if (view->destination[i].conf)
            nearest_offer(&nearest, view->destination[i].name);
    escape_text(given, sizeof given, name);
    if (found)
        complain("%s: the current rules have no destination `%s' any more", subject, given);
    else
        complain("%s: no destination `%s' in %s%s%s", subject, given, view->segment->path,
                 nearest.name ? "; the nearest is " : "",
                 nearest.name ? escape_text(safe, sizeof safe, nearest.name) : "");
    return NULL;
}

int known_key(const char *subject, const char *name, size_t length)
{
    char shown[64];
    struct slice slice = {.text = name, .length = length};
    int key = config_key(name, length);
    if (key >= 0)
        return key;
    struct nearest nearest = {.got = slice};
    for (int i = 0; i < KEY_COUNT; i++)
        nearest_offer(&nearest, key_info[i].name);
    complain("%s: key: got `%s', want a known key%s%s", subject, report_printable(slice, shown, sizeof shown),
             nearest.name ? "; the nearest is " : "", nearest.name ? nearest.name : "");
    return -1;
}
