/* SPDX-License-Identifier: MIT
 * `resctl events`: what happened, oldest first; with -f also what happens from now on. JSON is one object a
 * line, so that a reader can follow it too. */
#include "events.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "choose.h"
#include "event_text.h"
#include "print.h"

enum { POLL_MS = 200 };

struct following {
    const struct segment *segment;
    struct event_cursor cursor;
    bool as_json;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* last: only so many of them, -1: all. */
static void print_new(struct following *following, int64_t last, bool patient)
{
    uint64_t lost = following->cursor.lost;
    struct event_batch batch = events_gather(following->segment, &following->cursor, patient);
    if (following->cursor.lost > lost)
        complain("%" PRIu64 " events were overwritten before they could be read", following->cursor.lost - lost);
    size_t skip = last >= 0 && (uint64_t)last < batch.count ? batch.count - (size_t)last : 0;
    for (size_t i = skip; i < batch.count; i++) {
        if (following->as_json)
            event_print_json(&batch.event[i]);
        else
            event_print(&batch.event[i]);
    }
    free(batch.event);
}

/* Sleeps between two looks; false when nobody reads our output any more. */
static bool wait_for_more(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, POLL_MS) <= 0 || (output.revents & (POLLERR | POLLNVAL)) == 0;
}

static int follow(struct following *following)
{
    while (!stopped && fflush(stdout) == 0 && !ferror(stdout) && wait_for_more()) {
        print_new(following, -1, true);
        if (segment_gone(following->segment)) {
            complain("%s: the segment was removed", following->segment->path);
            return RESCTL_SEGMENT;
        }
    }
    return RESCTL_OK;
}

int command_events(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    struct segment segment;
    struct following following = {.segment = &segment};
    bool forever = false;
    int64_t last = -1;
    const struct option_row rows[] = {
        {"follow", 'f', OPTION_FLAG, &forever, NULL, "go on with new events until interrupted"},
        {"last", 'n', OPTION_NUMBER, &last, "N", "begin with the last N events only"},
        {"json", 'j', OPTION_FLAG, &following.as_json, NULL, "one JSON object a line"},
        CHOICE_OPTIONS(choice),
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    if (forever)
        catch_signals();
    print_new(&following, last, false);
    return forever ? follow(&following) : finish_output();
}
