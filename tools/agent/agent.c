/* SPDX-License-Identifier: MIT
 * `resctl agent`: attaches, waits for the lease, runs the parts, and ends as it was told. */
#include "agent.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bare.h"
#include "../print.h"
#include "../view.h"
#include "base/clock.h"
#include "base/prng.h"
#include "discover.h"
#include "health.h"
#include "lease.h"
#include "load.h"
#include "notify.h"
#include "real/raw.h"
#include "segment/registry.h"
#include "segment/rows.h"
#include "web.h"

/* In the order in which they begin, and end. */
static const struct agent_part *const parts[] = {&discover_part, &health_part, &notify_part, &web_part, NULL};

void agent_say(const char *format, ...)
{
    va_list args;
    char when[TIME_TEXT];
    fprintf(stderr, "%s resctl agent: ", format_time(when, clock_wall_ns()));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void agent_event(const struct agent *agent, enum event_kind kind, uint32_t row, uint64_t count)
{
    struct event event = {.kind = kind, .row = row, .count = count, .program = AGENT_PROGRAM};
    event_write(&agent->segment, &event);
}

bool agent_is_active(const struct agent *agent)
{
    return agent->lease != 0 && atomic_load(&seg_header(&agent->segment)->agent) == agent->lease;
}

/* ---- the segment ---------------------------------------------------------------------------------- */

static int attach(struct agent *agent)
{
    bool resumed;
    enum segment_result result = segment_open(&agent->segment, agent->path, true);
    if (result == SEGMENT_ABSENT || result == SEGMENT_STALE)
        result = segment_create(&agent->segment, agent->path, result == SEGMENT_STALE);
    if (result != SEGMENT_OK)
        return choose_complain(&agent->segment, result);
    agent->owner = registry_join(&agent->segment, 0, AGENT_PROGRAM, &resumed);
    if (agent->owner != 0)
        return RESCTL_OK;
    complain("agent: the registry of %s is full", agent->path);
    return RESCTL_SYSTEM;
}

static uint64_t standing_variants(const struct agent *agent)
{
    uint64_t now_ns = clock_now_ns(), sum = 0;
    for (uint32_t i = 0; agent->live && agent->rules && i < agent->rules->destinations; i++)
        sum = prng_mix(sum + (uint64_t)(live_row(agent->live, i, now_ns) + 1));
    return sum;
}

const struct rule_destination *agent_destination(const struct agent *agent, uint32_t index, const struct rules **rules)
{
    int row = live_row(agent->live, index, clock_now_ns());
    *rules = row < 0 ? agent->rules : live_rules(agent->live);
    return rules_destination(*rules, row < 0 ? index : (uint32_t)row);
}

static void read_rules(struct agent *agent)
{
    free(agent->rules);
    agent->generation = atomic_load(&seg_header(&agent->segment)->generation);
    agent->rules = view_published(&agent->segment, &agent->live);
    agent->variants = standing_variants(agent);
}

/* ---- active or not -------------------------------------------------------------------------------- */

static void begin(struct agent *agent)
{
    agent->active = true;
    agent_say("active on %s", agent->path);
    agent_event(agent, EVENT_AGENT, ROW_NONE, 1);
    load_missing(agent);
    read_rules(agent);
    for (size_t i = 0; parts[i]; i++)
        if (parts[i]->begin)
            parts[i]->begin(agent);
}

static void end(struct agent *agent)
{
    for (size_t i = 0; parts[i]; i++)
        if (parts[i]->end)
            parts[i]->end(agent);
    agent->active = false;
}

static void tell_rules(struct agent *agent)
{
    for (size_t i = 0; parts[i]; i++)
        if (parts[i]->rules)
            parts[i]->rules(agent);
}

void agent_look(struct agent *agent)
{
    if (!agent->active || (atomic_load(&seg_header(&agent->segment)->generation) == agent->generation &&
                           standing_variants(agent) == agent->variants))
        return;
    read_rules(agent);
    tell_rules(agent);
}

/* Its name was removed under us (RemoveIPC does that): programs that start now make a new one, which needs us. */
static void follow_segment(struct agent *agent)
{
    if (!segment_gone(&agent->segment))
        return;
    agent_say("%s is gone; going on with a new one", agent->path);
    if (agent->active)
        end(agent);
    agent->lease = 0;
    raw_munmap(agent->segment.base, (size_t)agent->segment.bytes);
    agent->code = attach(agent);
    if (agent->code != RESCTL_OK)
        loop_stop(&agent->loop);
}

static void beat(void *data)
{
    struct agent *agent = data;
    follow_segment(agent);
    if (agent->loop.stopped)
        return;
    bool leads = agent_lease_take(&agent->segment, agent->owner, clock_now_ns(), &agent->lease);
    if (leads && !agent->active)
        begin(agent);
    else if (!leads && agent->active)
        end(agent);
    agent_look(agent);
    loop_arm(&agent->loop, &agent->beat, clock_now_ns() + AGENT_BEAT_NS);
}

static void on_signal(void *data, int number)
{
    struct agent *agent = data;
    if (number != SIGHUP) {
        agent_say("%s, ending", number == SIGTERM ? "SIGTERM" : "SIGINT");
        loop_stop(&agent->loop);
    } else if (agent->active) {
        load_again(agent);
        agent_look(agent);
    }
}

static bool open_parts(struct agent *agent)
{
    for (size_t i = 0; parts[i]; i++)
        if (parts[i]->open && !parts[i]->open(agent))
            return false;
    return true;
}

static void close_all(struct agent *agent)
{
    if (agent->active)
        end(agent);
    for (size_t i = 0; parts[i]; i++)
        if (parts[i]->close)
            parts[i]->close(agent);
    loop_close(&agent->loop);
    agent_lease_drop(&agent->segment, &agent->lease);
    free(agent->rules);
}

static int run(struct agent *agent)
{
    agent->code = attach(agent);
    if (agent->code != RESCTL_OK)
        return agent->code;
    if (!loop_open(&agent->loop, on_signal, agent)) {
        complain("agent: %s", strerror(errno));
        return RESCTL_SYSTEM;
    }
    if (open_parts(agent)) {
        agent->beat = (struct loop_timer){.fire = beat, .data = agent};
        beat(agent);
        if (!agent->active && agent->code == RESCTL_OK)
            agent_say("waiting on %s: another agent is active", agent->path);
        if (!loop_run(&agent->loop)) {
            complain("agent: %s", strerror(errno));
            agent->code = RESCTL_SYSTEM;
        }
    } else if (agent->code == RESCTL_OK) {
        agent->code = RESCTL_SYSTEM;
    }
    close_all(agent);
    return agent->code;
}

int command_agent(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    const char *config = NULL;
    struct agent *agent = take_memory(1, sizeof *agent);
    const struct option_row rows[] = {
        {"config", 'c', OPTION_TEXT, &config, "FILE", "the configuration, as by RESIL_CONFIG"},
        {"listen", 'l', OPTION_LIST, &agent->listen, "ADDR", "answer HTTP at ADDR:PORT, PORT or unix:/PATH"},
        {"host", 'H', OPTION_LIST, &agent->hosts, "NAME", "answer also those who ask for this name"},
        {"allow-control", 0, OPTION_FLAG, &agent->allow_control, NULL, "let those who know the token move breakers"},
        {"token-file", 0, OPTION_TEXT, &agent->token_file, "FILE", "the token, for --allow-control"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    int code;
    if (options_read(&options, argc, argv, &operands, &code)) {
        become_bare(argv);
        if (config)
            setenv("RESIL_CONFIG", config, 1);
        code = choose_path(&choice, agent->path, sizeof agent->path);
        if (code == RESCTL_OK)
            code = run(agent);
    }
    free(agent);
    return code;
}
