/* SPDX-License-Identifier: MIT
 * A queue, a rate, and one child. */
#include "notify_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_text.h"
#include "../print.h"
#include "base/clock.h"
#include "child.h"
#include "policy/rate.h"

enum { WAITING = 64, COMMAND = 1024, VARIABLES = 13, VARIABLE = 192, JSON = 4096 };

#define LIMIT_NS (30 * (uint64_t)NS_PER_S)
#define LOOK_NS  (50 * (uint64_t)NS_PER_MS) /* where the kernel has no pidfd */

static struct {
    struct agent *agent;
    char command[COMMAND];
    struct conf rate; /* of which the limiter reads only its own keys */
    uint64_t rate_state;
    struct seg_event waiting[WAITING];
    unsigned first, count;
    uint64_t skipped;
    pid_t child; /* 0: none */
    struct loop_io io;
    struct loop_timer timer;
    uint64_t until_ns;
    bool complained;
} runner;

static void run_next(void);

/* ---- one command */

static void complain_once(const char *what)
{
    if (!runner.complained)
        agent_say("event command: %s", what);
    runner.complained = true;
}

static void finish(void)
{
    int fd = runner.io.fd;
    loop_forget(&runner.agent->loop, &runner.io);
    if (fd >= 0)
        close(fd);
    loop_disarm(&runner.agent->loop, &runner.timer);
    runner.child = 0;
}

static void judge(int status)
{
    char what[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        runner.complained = false;
        return;
    }
    if (WIFEXITED(status))
        snprintf(what, sizeof what, "ended with status %d", WEXITSTATUS(status));
    else
        snprintf(what, sizeof what, "was killed by signal %d", WTERMSIG(status));
    complain_once(what);
}

static void look(void)
{
    int status;
    uint64_t now_ns = clock_now_ns();
    if (child_ended(runner.child, &status)) {
        judge(status);
        finish();
        run_next();
    } else if (now_ns >= runner.until_ns) {
        child_kill(runner.child);
        complain_once("took longer than 30 s and was killed");
        finish();
        run_next();
    } else {
        uint64_t soon_ns = now_ns + LOOK_NS;
        bool told = runner.io.fd >= 0;
        loop_arm(&runner.agent->loop, &runner.timer, told || soon_ns > runner.until_ns ? runner.until_ns : soon_ns);
    }
}

static void on_end(void *data, uint32_t events)
{
    (void)data;
    (void)events;
    look();
}

static void on_time(void *data)
{
    (void)data;
    look();
}

/* A pipe that holds the whole text: nobody has to wait for the command to read it. */
static int open_input(const struct seg_event *event)
{
    char text[JSON];
    int ends[2];
    FILE *out = fmemopen(text, sizeof text, "w");
    if (!out)
        return -1;
    event_write_json(event, out);
    long bytes = ftell(out);
    if (fclose(out) != 0 || bytes <= 0 || pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    ssize_t written = write(ends[1], text, (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1);
    close(ends[1]);
    if (written > 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* The environment beside the agent's own. */
struct variables {
    char text[VARIABLES][VARIABLE];
    const char *list[VARIABLES + 1];
    unsigned count;
};

static void add(struct variables *variables, const char *name, const char *value)
{
    char *text = variables->text[variables->count];
    snprintf(text, VARIABLE, "RESIL_EVENT_%s=%s", name, value);
    variables->list[variables->count++] = text;
}

static void add_number(struct variables *variables, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    add(variables, name, text);
}

static void describe(const struct seg_event *event, struct variables *variables)
{
    char when[TIME_TEXT];
    struct event_words words = event_words(event);
    variables->count = 0;
    add(variables, "KIND", words.kind);
    add(variables, "DESTINATION", event->name);
    add(variables, "ENDPOINT", event->label);
    add(variables, "FROM", words.from);
    add(variables, "TO", words.to);
    add(variables, "REASON", words.reason);
    add(variables, "ERROR", words.error);
    add(variables, "PROGRAM", event->program);
    add(variables, "TIME", format_time(when, event->wall_ns));
    add_number(variables, "COUNT", event->count);
    add_number(variables, "PID", event->pid);
    add_number(variables, "SKIPPED", runner.skipped);
    variables->list[variables->count] = NULL;
}

static void start(const struct seg_event *event)
{
    struct variables variables;
    struct child_plan plan = {.command = runner.command, .output = -1, .extra = variables.list};
    describe(event, &variables);
    plan.input = open_input(event);
    pid_t pid = child_start(&plan);
    if (plan.input >= 0)
        close(plan.input);
    if (pid < 0) {
        complain_once(strerror(-pid));
        runner.skipped++;
        return;
    }
    int watch = child_watch(pid);
    runner.skipped = 0;
    runner.child = pid;
    runner.until_ns = clock_now_ns() + LIMIT_NS;
    runner.io = (struct loop_io){.fd = watch >= 0 ? watch : -1, .ready = on_end, .data = NULL};
    runner.timer = (struct loop_timer){.fire = on_time};
    if (watch >= 0 && !loop_watch(&runner.agent->loop, &runner.io, EPOLLIN)) {
        close(watch);
        runner.io.fd = -1;
    }
    look();
}

static void run_next(void)
{
    while (runner.count > 0 && runner.child == 0) {
        struct seg_event event = runner.waiting[runner.first];
        runner.first = (runner.first + 1) % WAITING;
        runner.count--;
        start(&event);
    }
}

/* ---- from outside */

void notify_exec_set(struct agent *agent, const char *command, uint32_t rate)
{
    runner.agent = agent;
    copy_text(runner.command, sizeof runner.command, command, strlen(command));
    runner.rate = (struct conf){.rate_limit = rate, .rate_burst = CONF_OFF};
    if (!*command)
        notify_exec_end();
}

void notify_exec(const struct seg_event *event)
{
    if (!runner.command[0])
        return;
    struct rate_step step = rate_step(runner.rate_state, &runner.rate, clock_now_ns(), false);
    if (!step.admitted || runner.count == WAITING) {
        runner.skipped++;
        return;
    }
    runner.rate_state = step.next;
    runner.waiting[(runner.first + runner.count++) % WAITING] = *event;
    run_next();
}

void notify_exec_end(void)
{
    runner.count = 0;
    if (runner.child == 0)
        return;
    child_kill(runner.child);
    finish();
}
