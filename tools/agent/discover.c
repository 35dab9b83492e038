/* SPDX-License-Identifier: MIT
 * When to look, and what to do with what was found. */
#include "discover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../print.h"
#include "../publisher.h"
#include "base/clock.h"
#include "base/prng.h"
#include "child.h"
#include "policy/health.h"
#include "segment/rows.h"

#define SETTLE_NS     20000000ull  /* a file that changes changes again at once */
#define STAGGER_NS    5000000ull   /* between the first looks of many destinations */
#define CONSUL_GAP_NS 200000000ull /* between an answer and the next question that waits */

static struct discoverer *all;

/* ---- the outcome of a look ------------------------------------------------------------------------ */

static void arm(struct discoverer *discoverer, uint64_t at_ns)
{
    loop_arm(&discoverer->agent->loop, &discoverer->timer, at_ns);
}

static struct seg_row *row_of(const struct discoverer *discoverer)
{
    return seg_row(&discoverer->agent->segment, discoverer->row);
}

/* The first failure is an event; each one counts, and another reason is said. */
static void failed(struct discoverer *discoverer, const char *why)
{
    char safe[ESCAPED(DISCOVER_TEXT)];
    seg_count(row_of(discoverer), COUNTER_discoveries_failed, 1);
    uint64_t failures = atomic_fetch_add(&row_of(discoverer)->discover_failures, 1) + 1;
    if (strcmp(discoverer->why, why) != 0)
        agent_say("%s: %s: %s; the endpoints stay as they are", discoverer->name,
                  escape_text(safe, sizeof safe, discoverer->text), why);
    if (failures == 1)
        agent_event(discoverer->agent, EVENT_DISCOVERY_FAILED, discoverer->row, 1);
    snprintf(discoverer->why, sizeof discoverer->why, "%s", why);
    discoverer->source.index = 0;
    discoverer->blocks = false;
}

static void succeeded(struct discoverer *discoverer)
{
    if (discoverer->why[0])
        agent_say("%s: found again", discoverer->name);
    discoverer->why[0] = '\0';
    seg_count(row_of(discoverer), COUNTER_discoveries_ok, 1);
    atomic_store(&row_of(discoverer)->discover_failures, 0);
    atomic_store(&row_of(discoverer)->discovered_ns, clock_now_ns());
}

static void publish(struct discoverer *discoverer, const char *value, unsigned count)
{
    static struct publisher_report report;
    char safe[ESCAPED(DISCOVER_WHY)];
    struct agent *agent = discoverer->agent;
    const struct publisher publisher = {.segment = &agent->segment, .program = AGENT_PROGRAM, .owner = agent->owner};
    const struct publisher_change change = {.destination = discoverer->name,
                                            .key = KEY_endpoints,
                                            .value = value,
                                            .until_ns = LIVE_FOREVER,
                                            .source = LIVE_FOUND};
    enum publisher_result result = publisher_change(&publisher, &change, 1, &report);
    if (result != PUBLISHER_OK && result != PUBLISHER_SAME) {
        report.errors[DISCOVER_WHY - 1] = '\0';
        failed(discoverer, escape_text(safe, sizeof safe, report.errors));
        return;
    }
    succeeded(discoverer);
    if (result == PUBLISHER_SAME)
        return;
    agent_say("%s: %u endpoint%s", discoverer->name, count, count == 1 ? "" : "s");
    agent_event(agent, EVENT_DISCOVERED, discoverer->row, count);
}

static void describe_end(int status, char why[DISCOVER_WHY])
{
    if (WIFSIGNALED(status))
        snprintf(why, DISCOVER_WHY, "ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(why, DISCOVER_WHY, "exit status %d", WEXITSTATUS(status));
}

/* By Consul's rules an index that goes backwards begins anew: then the next question does not wait for a change. */
static void keep_index(struct discoverer *discoverer, uint64_t index)
{
    discoverer->blocks = index != 0;
    discoverer->source.index = index >= discoverer->source.index ? index : 0;
}

static void judge(struct discoverer *discoverer, int status)
{
    char why[DISCOVER_WHY] = "", *value = NULL;
    unsigned count;
    uint64_t index = 0;
    bool trusted =
        discoverer->source.what.kind != DISCOVERY_EXEC; /* our own child speaks, or a file that a person wrote */
    describe_end(status, why);
    if (why[0] || !discover_read(discoverer->answer, discoverer->used, trusted, &value, &count, &index, why)) {
        failed(discoverer, why);
        return;
    }
    keep_index(discoverer, index);
    if (agent_is_active(discoverer->agent))
        publish(discoverer, value, count);
    free(value);
}

/* ---- one look ------------------------------------------------------------------------------------- */

static void close_io(struct discoverer *discoverer, struct loop_io *io)
{
    int fd = io->fd;
    loop_forget(&discoverer->agent->loop, io);
    if (fd >= 0)
        close(fd);
}

static void release(struct discoverer *discoverer)
{
    close_io(discoverer, &discoverer->output);
    close_io(discoverer, &discoverer->ended);
    if (discoverer->child > 0)
        child_kill(discoverer->child);
    discoverer->child = 0;
    free(discoverer->answer);
    discoverer->answer = NULL;
    discoverer->used = 0;
}

static void plan_next(struct discoverer *discoverer)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t random = prng_at(now_ns, discoverer->row, discoverer->agent->owner);
    uint64_t pause_ns = health_interval_ns((int64_t)discoverer->refresh_ns, random);
    if (discoverer->blocks)
        pause_ns = CONSUL_GAP_NS;
    if (discoverer->again)
        pause_ns = SETTLE_NS;
    discoverer->again = false;
    arm(discoverer, now_ns + pause_ns);
}

/* Publishing may change the rules, and the list with them: nothing is touched afterwards. */
static void conclude(struct discoverer *discoverer, int status)
{
    struct agent *agent = discoverer->agent;
    discoverer->child = 0;
    judge(discoverer, status);
    release(discoverer);
    plan_next(discoverer);
    agent_look(agent);
}

static void give_up(struct discoverer *discoverer, const char *why)
{
    failed(discoverer, why);
    release(discoverer);
    plan_next(discoverer);
}

/* False when it has answered too much. */
static bool drain(struct discoverer *discoverer)
{
    ssize_t got = 1;
    while (discoverer->output.fd >= 0 && got > 0 && discoverer->used < DISCOVER_BYTES) {
        got = read(discoverer->output.fd, discoverer->answer + discoverer->used, DISCOVER_BYTES - discoverer->used);
        discoverer->used += got > 0 ? (size_t)got : 0;
        if (got == 0)
            close_io(discoverer, &discoverer->output);
    }
    return discoverer->used < DISCOVER_BYTES;
}

static void on_output(void *data, uint32_t events)
{
    struct discoverer *discoverer = data;
    (void)events;
    if (!drain(discoverer))
        give_up(discoverer, "the answer is too large");
}

/* What is in the pipe by now is all of it; what the command left behind in its group is ended. */
static void on_end(void *data, uint32_t events)
{
    struct discoverer *discoverer = data;
    int status;
    (void)events;
    if (!drain(discoverer)) {
        give_up(discoverer, "the answer is too large");
    } else if (child_ended(discoverer->child, &status)) {
        kill(-discoverer->child, SIGKILL);
        conclude(discoverer, status);
    }
}

static bool start(struct discoverer *discoverer)
{
    int ends[2];
    char destination[SEG_NAME + 32];
    const char *const extra[] = {destination, NULL};
    bool command = discoverer->source.what.kind == DISCOVERY_EXEC;
    snprintf(destination, sizeof destination, "RESIL_DESTINATION=%s", discoverer->name);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    fcntl(ends[1], F_SETFL, 0); /* ours is not to block, theirs is */
    struct child_plan plan = {.command = command ? discoverer->source.what.name : NULL,
                              .run = source_look,
                              .context = &discoverer->source,
                              .extra = extra,
                              .input = -1,
                              .output = ends[1]};
    if (command)
        plan.run = NULL;
    pid_t pid = child_start(&plan);
    close(ends[1]);
    discoverer->output.fd = ends[0];
    if (pid < 0)
        return false;
    discoverer->child = pid;
    discoverer->ended.fd = child_watch(pid);
    return discoverer->ended.fd >= 0 && loop_watch(&discoverer->agent->loop, &discoverer->output, EPOLLIN) &&
           loop_watch(&discoverer->agent->loop, &discoverer->ended, EPOLLIN);
}

static void look(struct discoverer *discoverer)
{
    uint64_t wait_ns = discoverer->source.index ? discoverer->source.wait_ns : 0;
    uint64_t look_ns = discoverer->refresh_ns < DISCOVER_LEAST_NS  ? DISCOVER_LEAST_NS
                       : discoverer->refresh_ns > DISCOVER_MOST_NS ? DISCOVER_MOST_NS
                                                                   : discoverer->refresh_ns;
    discover_watch(discoverer);
    discoverer->answer = take_memory(DISCOVER_BYTES, 1);
    if (start(discoverer))
        arm(discoverer, clock_now_ns() + look_ns + wait_ns + wait_ns / 16);
    else
        give_up(discoverer, strerror(errno));
}

static void due(void *data)
{
    struct discoverer *discoverer = data;
    if (discoverer->child > 0)
        give_up(discoverer, "no answer in time");
    else
        look(discoverer);
}

static void file_changed(struct discoverer *discoverer)
{
    if (discoverer->child > 0)
        discoverer->again = true;
    else
        arm(discoverer, clock_now_ns() + SETTLE_NS);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static struct discoverer *find(const char *name)
{
    struct discoverer *at = all;
    while (at && strcmp(at->name, name) != 0)
        at = at->next;
    return at;
}

/* begun: how many others begin with this one. */
static void begin_one(struct agent *agent, const char *name, const char *text, uint64_t refresh_ns, uint64_t begun)
{
    char want[DISCOVERY_WANT];
    const uint64_t wait_max_ns = 600 * (uint64_t)NS_PER_S; /* Consul's */
    struct row_key key = {.kind = ROW_DESTINATION, .name = name};
    uint32_t row = rows_get(&agent->segment, &key);
    struct discoverer *fresh = take_memory(1, sizeof *fresh);
    if (row == ROW_NONE)
        agent_say("%s is not looked for: the segment has no row left", name);
    if (row == ROW_NONE || strlen(text) >= sizeof fresh->text ||
        !discovery_parse(text, strlen(text), &fresh->source.what, want)) {
        free(fresh);
        return;
    }
    fresh->agent = agent;
    fresh->row = row;
    fresh->refresh_ns = refresh_ns;
    fresh->source.wait_ns = refresh_ns < wait_max_ns ? refresh_ns : wait_max_ns;
    fresh->watched = -1;
    fresh->wanted = true;
    fresh->timer = (struct loop_timer){.fire = due, .data = fresh};
    fresh->output = (struct loop_io){.fd = -1, .ready = on_output, .data = fresh};
    fresh->ended = (struct loop_io){.fd = -1, .ready = on_end, .data = fresh};
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    snprintf(fresh->text, sizeof fresh->text, "%s", text);
    fresh->next = all;
    all = fresh;
    arm(fresh, clock_now_ns() + begun * STAGGER_NS);
}

static void drop_unwanted(void)
{
    for (struct discoverer **at = &all; *at;) {
        struct discoverer *discoverer = *at;
        if (discoverer->wanted) {
            at = &discoverer->next;
            continue;
        }
        *at = discoverer->next;
        loop_disarm(&discoverer->agent->loop, &discoverer->timer);
        discover_unwatch(discoverer);
        release(discoverer);
        free(discoverer);
    }
}

/* Endpoints that were found for a destination that is not to be discovered any more. */
static void withdraw_left(struct agent *agent)
{
    static struct publisher_report report;
    const struct publisher publisher = {.segment = &agent->segment, .program = AGENT_PROGRAM, .owner = agent->owner};
    for (uint32_t i = 0; agent->live && i < agent->live->overrides; i++) {
        const struct live_override *row = live_override(agent->live, i);
        const char *name = live_text(agent->live, row->destination);
        const struct publisher_change change = {.destination = name, .key = KEY_endpoints, .source = LIVE_FOUND};
        if (row->source == LIVE_FOUND && row->key == KEY_endpoints && !find(name) && agent_is_active(agent))
            publisher_change(&publisher, &change, 1, &report);
    }
}

static void reconcile(struct agent *agent)
{
    for (struct discoverer *at = all; at; at = at->next)
        at->wanted = false;
    uint64_t begun = 0;
    for (uint32_t i = 0; agent->rules && i < agent->rules->destinations; i++) {
        const struct rules *rules;
        const struct conf *conf = &agent_destination(agent, i, &rules)->conf;
        const char *text = rules_text(rules, conf->discover);
        const char *name = rules_text(agent->rules, rules_destination(agent->rules, i)->name);
        struct discoverer *known = find(name);
        if (!*text || conf->mode == MODE_OFF)
            continue;
        if (known && strcmp(known->text, text) == 0 && known->refresh_ns == (uint64_t)conf->discover_refresh_ns)
            known->wanted = true;
        else
            begin_one(agent, name, text, (uint64_t)conf->discover_refresh_ns, begun++);
    }
    drop_unwanted();
    withdraw_left(agent);
}

static void begin(struct agent *agent)
{
    if (!discover_watch_open(agent, file_changed, &all))
        agent_say("files are looked at every discover.refresh only: %s", strerror(errno));
    reconcile(agent);
}

static void end(struct agent *agent)
{
    for (struct discoverer *at = all; at; at = at->next)
        at->wanted = false;
    drop_unwanted();
    discover_watch_close(agent);
}

const struct agent_part discover_part = {.name = "discover", .begin = begin, .rules = reconcile, .end = end};
