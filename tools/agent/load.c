/* SPDX-License-Identifier: MIT
 * Publishing for the agent. */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../print.h"
#include "../settings.h"
#include "base/clock.h"
#include "real/raw.h"
#include "segment/publish.h"

#define TURN_NS 2000000000ull

/* Publishers are done within milliseconds, and a dead one's turn is free: this bounds a stopped one. */
static bool take_turn(const struct agent *agent)
{
    uint64_t start_ns = clock_now_ns();
    while (!publish_begin(&agent->segment, agent->owner)) {
        if (clock_now_ns() - start_ns > TURN_NS)
            return false;
        usleep(1000);
    }
    return true;
}

static void publish_settings(struct agent *agent, const struct settings *settings)
{
    struct raw_stat st = {0};
    if (settings->path[0])
        raw_stat(settings->path, &st);
    struct publication publication = {.block = settings->rules,
                                      .bytes = settings->rules->bytes,
                                      .config_path = settings->path,
                                      .file_mtime_ns = st.mtime_ns,
                                      .file_bytes = st.size,
                                      .owner = agent->owner};
    publish_rules(&agent->segment, &publication);
    agent_event(agent, EVENT_LOADED, UINT32_MAX, 1);
}

/* In the caller's turn. */
static bool publish_or_explain(struct agent *agent, const struct settings *settings)
{
    char safe[ESCAPED(sizeof settings->path)];
    escape_text(safe, sizeof safe, settings->path[0] ? settings->path : "the built-in text");
    if (settings->rules) {
        publish_settings(agent, settings);
        agent_say("rules loaded from %s", safe);
        return true;
    }
    publish_error(&agent->segment, settings->path, settings->errors);
    agent_event(agent, EVENT_CONFIG_ERROR, UINT32_MAX, settings->error_count);
    agent_say("%s is not used: %u error%s", safe, settings->error_count, settings->error_count == 1 ? "" : "s");
    settings_print_errors(settings);
    return false;
}

static bool load(struct agent *agent, bool only_missing)
{
    struct settings settings;
    bool ok = false;
    settings_compile(NULL, NULL, &settings);
    if (!take_turn(agent)) {
        agent_say("another process has been publishing for too long; rules not loaded");
    } else {
        ok = only_missing && publish_size(&agent->segment) != 0;
        if (!ok)
            ok = publish_or_explain(agent, &settings);
        publish_end(&agent->segment, agent->owner);
    }
    settings_release(&settings);
    return ok;
}

void load_missing(struct agent *agent)
{
    if (publish_size(&agent->segment) == 0)
        load(agent, true);
}

bool load_again(struct agent *agent)
{
    return load(agent, false);
}
