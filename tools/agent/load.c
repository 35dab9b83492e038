/* SPDX-License-Identifier: MIT
 * Publishing for the agent. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "../print.h"
#include "../publisher.h"
#include "segment/publish.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static bool load(struct agent *agent)
{
    static struct publisher_report report;
    char path[sizeof report.config_path], safe[ESCAPED(sizeof path)];
    const struct publisher publisher = {.segment = &agent->segment, .program = AGENT_PROGRAM, .owner = agent->owner};
    const char *file =
        config_find_file(getenv("RESIL_CONFIG"), getenv("XDG_CONFIG_HOME"), getenv("HOME"), path, sizeof path);
    enum publisher_result result = publisher_load(&publisher, file, variable("RESIL_RULES"), &report);
    escape_text(safe, sizeof safe, report.config_path[0] ? report.config_path : "the built-in text");
    if (result == PUBLISHER_OK)
        agent_say("rules loaded from %s", safe);
    else if (result != PUBLISHER_BAD)
        agent_say("rules not loaded: %s", report.errors);
    else
        agent_say("%s is not used: %u error%s", safe, report.error_count, report.error_count == 1 ? "" : "s");
    if (result == PUBLISHER_BAD)
        fprintf(stderr, "%s\n", report.errors);
    fputs(report.notes, stderr);
    return result == PUBLISHER_OK;
}

void load_missing(struct agent *agent)
{
    if (publish_size(&agent->segment) == 0)
        load(agent);
}

bool load_again(struct agent *agent)
{
    return load(agent);
}
