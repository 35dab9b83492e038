/* SPDX-License-Identifier: MIT
 * `resctl top`: live. Never writes to the segment, except through the commands that it is told to run. */
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "choose.h"
#include "print.h"

/* How long the bytes of one key may be apart on a slow line. */
#define SEQUENCE_MS 50

static volatile sig_atomic_t resized, stopped, ended; /* ended: the number of the signal */

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        stopped = 1;
    else
        ended = number;
}

/* Signals come while we wait, and at no other time: none is missed between a look and the wait. */
static void catch_signals(sigset_t *while_waiting)
{
    static const int numbers[] = {SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ours;
    sigemptyset(&ours);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&ours, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &ours, while_waiting);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigdelset(while_waiting, numbers[i]);
}

static void forget_view(struct top *top)
{
    if (top->view)
        view_release(top->view);
    top->view = NULL;
    connections_release(&top->connections);
    top->connections = (struct connections){.item = NULL};
}

/* A segment that was deleted may be made anew under the same name. */
static void follow(struct top *top, struct segment *segment)
{
    struct segment *other;
    if (!segment_gone(segment))
        return;
    forget_view(top);
    other = take_memory(1, sizeof *other);
    if (segment_open(other, segment->path, false) == SEGMENT_OK) {
        munmap(segment->base, (size_t)segment->bytes);
        *segment = *other;
        top_restart(&top->samples);
    }
    free(other);
}

void top_look(struct top *top)
{
    struct segment *segment = top->segment;
    follow(top, segment);
    if (segment_gone(segment)) {
        top_list(top);
        return;
    }
    forget_view(top);
    top->view = view_take(segment);
    struct liveness *liveness = take_memory(1, sizeof *liveness);
    liveness->segment = segment;
    if (top->mode == TOP_DETAIL)
        top->connections = connections_gather(segment, liveness, top->view->now_ns);
    free(liveness);
    top_sample(&top->samples, top->view);
    top_list(top);
}

static void suspend(struct screen *screen)
{
    stopped = 0;
    screen_pause();
    raise(SIGSTOP);
    screen_resume(screen);
}

/* Waits for a key, a signal, or the time of the next look. False: there is no terminal any more. */
static bool wait_for_keys(struct top *top, uint64_t next_ns, const sigset_t *while_waiting)
{
    uint64_t now_ns = clock_now_ns(), rest_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    struct timespec rest = {(time_t)(rest_ns / (uint64_t)NS_PER_S), (long)(rest_ns % (uint64_t)NS_PER_S)};
    struct pollfd one = {.fd = STDIN_FILENO, .events = POLLIN};
    char bytes[256];
    enum top_mode mode = top->mode;
    if (ppoll(&one, 1, top->paused ? NULL : &rest, while_waiting) <= 0)
        return true;
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0)
        return count < 0 && (errno == EINTR || errno == EAGAIN);
    if (bytes[count - 1] == '\033' && poll(&one, 1, SEQUENCE_MS) > 0) {
        ssize_t more = read(STDIN_FILENO, bytes + count, sizeof bytes - (size_t)count);
        count += more > 0 ? more : 0;
    }
    top_keys(top, bytes, (size_t)count);
    if (top->mode == TOP_DETAIL && mode != TOP_DETAIL)
        top_look(top); /* its connections */
    return true;
}

static int run_screen(struct top *top, const struct screen_kind *kind)
{
    sigset_t while_waiting;
    struct screen *screen = screen_open(kind);
    uint64_t next_ns = 0;
    bool there = true;
    if (!screen) {
        complain("top: stdin and stdout are no terminal; --batch and --once need none");
        return RESCTL_USAGE;
    }
    catch_signals(&while_waiting);
    while (there && !top->quit && !ended) {
        if (resized) {
            resized = 0;
            screen_resize(screen);
        }
        if (stopped)
            suspend(screen);
        if (!top->paused && clock_now_ns() >= next_ns) {
            top_look(top);
            next_ns = clock_now_ns() + (uint64_t)top->interval_ns;
        }
        top_draw(top, screen);
        there = screen_show(screen) && wait_for_keys(top, next_ns, &while_waiting);
    }
    screen_close();
    if (!ended)
        return RESCTL_OK;
    /* As any program that a signal ends. */
    signal(ended, SIG_DFL);
    raise(ended);
    sigprocmask(SIG_SETMASK, &while_waiting, NULL);
    return RESCTL_OK;
}

/* frames: < 0 for ever. A rate needs two looks: the first frame comes after one interval. */
static int run_batch(struct top *top, const struct screen_kind *kind, int64_t frames, bool as_json)
{
    struct timespec pause = {(time_t)(top->interval_ns / NS_PER_S), (long)(top->interval_ns % NS_PER_S)};
    top_look(top);
    for (int64_t frame = 0; frames < 0 || frame < frames; frame++) {
        while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
            ;
        pause = (struct timespec){(time_t)(top->interval_ns / NS_PER_S), (long)(top->interval_ns % NS_PER_S)};
        top_look(top);
        if (as_json)
            top_json(top);
        else
            top_print(top, kind);
        if (ferror(stdout))
            break;
    }
    return finish_output();
}

/* What was given as text; false after a complaint. */
static bool read_settings(struct top *top, const char *every, const char *sort, const char *filter)
{
    top->interval_ns = NS_PER_S;
    if (every && (!parse_duration(every, strlen(every), &top->interval_ns) || top->interval_ns < 10 * NS_PER_MS ||
                  top->interval_ns > 3600 * NS_PER_S)) {
        complain("top: option --interval: got `%s', want a duration from 10ms to 1h, such as 2s", every);
        return false;
    }
    while (sort && top->sort < SORTS && strcmp(sort, top_sort_names[top->sort]) != 0)
        top->sort++;
    if (top->sort == SORTS) {
        complain("top: option --sort: got `%s', want state, name, rate, errors, latency, used or rejected", sort);
        return false;
    }
    if (filter && strlen(filter) >= sizeof top->filter) {
        complain("top: option --filter: too long, want at most %d bytes", TOP_FILTER - 1);
        return false;
    }
    snprintf(top->filter, sizeof top->filter, "%s", filter ? filter : "");
    return true;
}

int command_top(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool batch = false, once = false, as_json = false;
    int64_t frames = -1;
    const char *every = NULL, *sort = NULL, *filter = NULL;
    const struct option_row rows[] = {
        {"interval", 'i', OPTION_TEXT, &every, "D", "time between two looks: 1s"},
        {"sort", 'o', OPTION_TEXT, &sort, "COLUMN", "state, name, rate, errors, latency, used or rejected"},
        {"filter", 'f', OPTION_TEXT, &filter, "TEXT", "only destinations whose name contains it"},
        {"batch", 'b', OPTION_FLAG, &batch, NULL, "frames as plain text, without a terminal"},
        {"frames", 'n', OPTION_NUMBER, &frames, "N", "with --batch: so many, else for ever"},
        {"once", '1', OPTION_FLAG, &once, NULL, "as --batch -n 1"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "one frame as JSON; with --batch each frame a line"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    struct segment segment;
    struct top *top = take_memory(1, sizeof *top);
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!read_settings(top, every, sort, filter))
        return RESCTL_USAGE;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    struct screen_kind kind = screen_kind();
    top->segment = &segment;
    if (!batch && !once && !as_json && !kind.plain)
        return run_screen(top, &kind);
    kind.plain = true;
    return run_batch(top, &kind, once ? 1 : as_json && !batch && frames < 0 ? 1 : frames, as_json);
}
