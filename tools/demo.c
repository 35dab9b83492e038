/* SPDX-License-Identifier: MIT
 * `resctl demo`: a breaker at work, in a segment of its own that is gone afterwards. Every claim it prints is
 * checked in the segment; the exit code is the answer. */
#include "demo.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "event_text.h"
#include "events.h"
#include "options.h"
#include "preload.h"
#include "print.h"
#include "remove.h"
#include "view.h"

#define NAME "demo"
enum { FAILURES = 3, OPEN_S = 2, FAST_MS = 50, PATIENCE_MS = 10000 };

struct demo {
    struct backend backend;
    struct client client;
    struct segment segment;
    char segment_path[64];
    unsigned calls;
    bool has_colour;
    char failure[256]; /* the first claim that did not hold */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Remembers the first claim that does not hold; the answer says whether to go on. */
static bool claim(struct demo *demo, bool holds, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool claim(struct demo *demo, bool holds, const char *format, ...)
{
    va_list args;
    if (interrupted)
        holds = false;
    if (!holds && !demo->failure[0]) {
        va_start(args, format);
        vsnprintf(demo->failure, sizeof demo->failure, format, args);
        va_end(args);
        if (interrupted)
            snprintf(demo->failure, sizeof demo->failure, "interrupted");
    }
    return !demo->failure[0];
}

static void heading(const struct demo *demo, const char *text)
{
    printf("\n%s%s%s\n", demo->has_colour ? "\033[1m" : "", text, demo->has_colour ? "\033[0m" : "");
}

static const char *colour(const struct demo *demo, const char *state)
{
    if (!demo->has_colour)
        return "";
    return strcmp(state, "closed") == 0 ? "\033[32m" : strcmp(state, "open") == 0 ? "\033[31m" : "\033[33m";
}

/* What the segment says of the destination now. */
struct sight {
    char state[16];
    uint64_t next_attempt_ms, exchanges_ok, failed, rejected, opened, half_opened, closed;
};

static bool open_segment(struct demo *demo)
{
    if (demo->segment.base)
        return true;
    return claim(demo, segment_open(&demo->segment, demo->segment_path, false) == SEGMENT_OK,
                 "the client's calls left no segment: was the library loaded? (%s)", demo->segment.error);
}

static bool look(struct demo *demo, struct sight *sight)
{
    memset(sight, 0, sizeof *sight);
    if (!open_segment(demo))
        return false;
    struct view *view = view_take(&demo->segment);
    const struct view_destination *destination = view_find(view, NAME);
    if (destination) {
        const struct view_row *row = &destination->row[0];
        snprintf(sight->state, sizeof sight->state, "%s", state_names[row->state]);
        sight->next_attempt_ms = row->next_attempt_ms;
        sight->exchanges_ok = view_counter(view, row, "exchanges_ok");
        sight->failed = view_counter(view, row, "connects_failed") + view_counter(view, row, "exchanges_failed");
        sight->rejected = view_counter(view, row, "rejected_breaker");
        sight->opened = view_counter(view, row, "opened");
        sight->half_opened = view_counter(view, row, "half_opened");
        sight->closed = view_counter(view, row, "closed");
    }
    bool known = claim(demo, destination != NULL, "the segment has no rules: %.180s", view->config_error);
    view_release(view);
    return known;
}

static bool expect_state(struct demo *demo, const char *state, struct sight *sight)
{
    if (!look(demo, sight))
        return false;
    printf("  resctl   breaker %s%s%s: %" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64
           " refused by the breaker; the backend saw %u connections\n",
           colour(demo, sight->state), sight->state, demo->has_colour ? "\033[0m" : "", sight->exchanges_ok,
           sight->failed, sight->rejected, atomic_load(demo->backend.accepted));
    return claim(demo, strcmp(sight->state, state) == 0, "the breaker should be %s, it is %s", state, sight->state);
}

static const char *describe(const struct call *call, bool by_breaker, char out[64])
{
    if (call->code == CALL_OK)
        snprintf(out, 64, "HTTP %d", call->http_status);
    else
        snprintf(out, 64, "%s",
                 by_breaker                   ? "refused by the breaker"
                 : call->code == CALL_REFUSED ? "refused by the kernel"
                 : call->code == CALL_TIMEOUT ? "timed out"
                                              : "connection broken");
    return out;
}

/* One call of the client, printed. */
static bool do_call(struct demo *demo, struct call *call)
{
    struct sight before = {.rejected = 0}, after;
    char text[64], duration[DURATION_TEXT];
    if (demo->calls && !look(demo, &before))
        return false;
    bool ran = client_call(&demo->client, demo->backend.port, call);
    if (!claim(demo, ran, "%s did not run", demo->client.path) || !look(demo, &after))
        return false;
    printf("  call %-3u %-24s %s\n", ++demo->calls, describe(call, after.rejected > before.rejected, text),
           format_rough(duration, (uint64_t)(call->seconds * 1e6)));
    return true;
}

static bool phase_healthy(struct demo *demo)
{
    struct call call;
    struct sight sight;
    heading(demo, "1. The backend is healthy");
    for (int i = 0; i < 3; i++)
        if (!do_call(demo, &call) || !claim(demo, call.code == CALL_OK, "a call to a healthy backend failed"))
            return false;
    return expect_state(demo, "closed", &sight) &&
           claim(demo, sight.exchanges_ok >= 3, "the library did not see the calls: is it loaded?");
}

static bool phase_dead(struct demo *demo)
{
    struct call call;
    struct sight sight;
    heading(demo, "2. The backend dies: calls fail, until the breaker has seen enough");
    if (!claim(demo, backend_set(&demo->backend, false), "the backend could not be stopped"))
        return false;
    for (int i = 0; i < FAILURES; i++)
        if (!do_call(demo, &call) || !claim(demo, call.code != CALL_OK, "a call to a dead backend succeeded"))
            return false;
    return expect_state(demo, "open", &sight) &&
           claim(demo, sight.opened == 1 && sight.rejected == 0, "the breaker should have opened once");
}

static bool phase_open(struct demo *demo)
{
    struct call call;
    struct sight before, after;
    uint32_t accepted = atomic_load(demo->backend.accepted);
    heading(demo, "3. The backend is back, but the breaker is open: it is left in peace, and calls fail at once");
    if (!claim(demo, backend_set(&demo->backend, true), "the backend could not be revived") || !look(demo, &before))
        return false;
    for (int i = 0; i < 3; i++)
        if (!do_call(demo, &call) ||
            !claim(demo, call.code == CALL_REFUSED && call.seconds * 1000 < FAST_MS,
                   "a call through an open breaker should fail within %d ms (curl's code is %d, it took %.0f ms)",
                   FAST_MS, call.code, call.seconds * 1000))
            return false;
    return expect_state(demo, "open", &after) &&
           claim(demo, after.rejected == before.rejected + 3, "the breaker should have refused three calls") &&
           claim(demo, atomic_load(demo->backend.accepted) == accepted, "a refused call reached the backend");
}

static void sleep_ms(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * (long)NS_PER_MS};
    nanosleep(&time, NULL);
}

/* Watching must not change anything: the breaker stays open until a call comes. */
static bool wait_until_due(struct demo *demo)
{
    struct sight sight;
    uint64_t start_ns = clock_now_ns();
    do {
        if (!look(demo, &sight))
            return false;
        sleep_ms(sight.next_attempt_ms < 100 ? sight.next_attempt_ms + 1 : 100);
    } while (!interrupted && sight.next_attempt_ms > 0 &&
             clock_now_ns() - start_ns < PATIENCE_MS * (uint64_t)NS_PER_MS);
    return claim(demo, sight.next_attempt_ms == 0 && strcmp(sight.state, "open") == 0,
                 "the open time should be over and the breaker still be open, it is %s", sight.state);
}

static bool phase_probe(struct demo *demo)
{
    struct call call;
    struct sight sight;
    heading(demo, "4. The open time is over: the next call is a probe");
    if (!wait_until_due(demo) || !do_call(demo, &call) ||
        !claim(demo, call.code == CALL_OK, "the probe should have been let through"))
        return false;
    return expect_state(demo, "half_open", &sight) &&
           claim(demo, sight.half_opened == 1 && sight.closed == 0, "the breaker should have become half-open once");
}

static bool phase_recovered(struct demo *demo)
{
    struct call call;
    struct sight sight;
    heading(demo, "5. A second good probe closes it");
    for (int i = 0; i < 3; i++)
        if (!do_call(demo, &call) || !claim(demo, call.code == CALL_OK, "a call to the recovered backend failed"))
            return false;
    return expect_state(demo, "closed", &sight) &&
           claim(demo, sight.closed == 1 && sight.opened == 1, "the breaker should have closed once");
}

static void show_events(struct demo *demo)
{
    struct event_cursor cursor = {.lost = 0};
    if (!demo->segment.base)
        return;
    heading(demo, "What `resctl events' says of it");
    struct event_batch batch = events_gather(&demo->segment, &cursor, false);
    for (size_t i = 0; i < batch.count; i++)
        event_print(&batch.event[i]);
    free(batch.event);
}

/* Nothing of the caller's own settings reaches the show. */
static bool set_environment(struct demo *demo, const char *library)
{
    static const char *const unwanted[] = {"RESIL_CHAOS", "RESIL_CHAOS_SEED", "RESIL_DISABLE", "RESIL_LOG"};
    char rules[512];
    snprintf(demo->segment_path, sizeof demo->segment_path, "/dev/shm/resil-demo-%d", (int)getpid());
    snprintf(rules, sizeof rules,
             "[destination " NAME "]; match = 127.0.0.1:%u; breaker.failures = %d; breaker.open_time = %ds; "
             "breaker.jitter = off; breaker.successes = 2; timeout.connect = 1s; timeout.response = 1s",
             demo->backend.port, FAILURES, OPEN_S);
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        unsetenv(unwanted[i]);
    setenv("RESIL_CONFIG", "/dev/null", 1);
    setenv("RESIL_RULES", rules, 1);
    setenv("RESIL_SEGMENT", demo->segment_path, 1);
    preload_set(library, "");
    printf("client     %s, unmodified, with LD_PRELOAD=%s\n", demo->client.path, getenv("LD_PRELOAD"));
    printf("rules      %s\n", rules);
    return true;
}

static void clean_up(struct demo *demo)
{
    struct segment segment;
    backend_stop(&demo->backend);
    if (demo->segment_path[0] && segment_open(&segment, demo->segment_path, true) == SEGMENT_OK) {
        remove_semaphores(&segment);
        unlink(demo->segment_path);
    }
}

static int show(struct demo *demo)
{
    bool (*const phases[])(struct demo *) = {phase_healthy, phase_dead, phase_open, phase_probe, phase_recovered};
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
        if (!phases[i](demo))
            break;
    show_events(demo);
    if (demo->failure[0]) {
        complain("demo: %s", demo->failure);
        return RESCTL_NO;
    }
    printf("\nclosed -> open -> half-open -> closed, and the client is the same as ever.\n");
    return finish_output();
}

static int run_demo(void)
{
    static struct demo demo;
    struct sigaction action = {.sa_handler = interrupt};
    char library[PATH_MAX];
    if (!preload_find(library, sizeof library))
        return RESCTL_SYSTEM;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    demo.has_colour = isatty(STDOUT_FILENO) == 1;
    client_choose(&demo.client);
    int code = RESCTL_SYSTEM;
    if (backend_start(&demo.backend) && set_environment(&demo, library))
        code = show(&demo);
    clean_up(&demo);
    return code;
}

int command_demo(const struct command *self, int argc, char **argv)
{
    bool is_client = false;
    const struct option_row rows[] = {
        {"client", 0, OPTION_FLAG, &is_client, NULL, "be the client of the show: HOST PORT"}, {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_max = 2};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (is_client ? operands.count != 2 : operands.count != 0) {
        complain("demo: --client takes HOST and PORT, the demo itself nothing");
        return RESCTL_USAGE;
    }
    return is_client ? client_main(operands.text[0], operands.text[1]) : run_demo();
}
