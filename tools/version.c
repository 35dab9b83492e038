/* SPDX-License-Identifier: MIT
 * `resctl version`. */
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "print.h"
#include "segment/layout.h"

int command_version(const struct command *self, int argc, char **argv)
{
    bool as_json = false;
    const struct option_row rows[] = {{"json", 'j', OPTION_FLAG, &as_json, NULL, "as a JSON object"}, {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    char segment[32];
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    snprintf(segment, sizeof segment, "%u.%u", SEG_MAJOR, SEG_MINOR);
    if (as_json) {
        struct json json = {.out = stdout};
        json_object(&json, NULL);
        json_text(&json, "version", RESIL_VERSION);
        json_text(&json, "segment", segment);
        json_close(&json);
    } else {
        printf("resctl %s segment %s\n", RESIL_VERSION, segment);
    }
    return finish_output();
}
