/* SPDX-License-Identifier: MIT
 * `resctl replay`: delivers what a stub kept, in its order, one after the other.
 *
 * Each step is on the disk before the next one. A request is marked as sent before its first byte goes, and removed
 * when its answer has come. Killed between the two, its fate is unknown: the next run sends it again, with the same
 * Idempotency-Key, or leaves it alone (--in-doubt). */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "commands.h"
#include "dial.h"
#include "json.h"
#include "message.h"
#include "options.h"
#include "print.h"
#include "spool.h"

enum { ANSWER_MAX = 1 << 20 };

/*   DELIVERED   the receiver has it     REFUSED   it does not want it     LATER   it could not take it now
 *   DOUBT       begun by an earlier run, and --in-doubt stop              BROKEN  the spool cannot be written or read
 */
enum delivery { DELIVERY_DELIVERED, DELIVERY_REFUSED, DELIVERY_LATER, DELIVERY_DOUBT, DELIVERY_BROKEN };

struct replay {
    struct spool spool;
    const char *to;
    int64_t timeout_ns;
    bool follow, stops_in_doubt, skips_in_doubt, quiet;
    uint64_t delivered, refused, again;
    uint64_t retry_after_s; /* of the last answer, 0 = it named none */
    char why[128];
};

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static enum delivery judge(struct replay *replay, const struct message *answer)
{
    char text[32];
    int64_t seconds;
    snprintf(replay->why, sizeof replay->why, "answered with status %u", answer->status);
    replay->retry_after_s = 0;
    if (message_header(answer, "Retry-After", text, sizeof text) && parse_count(text, strlen(text), &seconds))
        replay->retry_after_s = (uint64_t)seconds;
    if (answer->status < 400)
        return DELIVERY_DELIVERED;
    bool later = answer->status >= 500 || answer->status == 408 || answer->status == 425 || answer->status == 429;
    return later ? DELIVERY_LATER : DELIVERY_REFUSED;
}

/* Sends it over a connection that stands. Only the status counts: a body that ends early changes nothing. */
static enum delivery exchange(struct replay *replay, int fd, const char *bytes, size_t length)
{
    struct message answer = {0};
    uint64_t end_ns = clock_now_ns() + (uint64_t)replay->timeout_ns;
    enum delivery delivery = DELIVERY_LATER;
    snprintf(replay->why, sizeof replay->why, "no answer");
    /* A receiver may answer, and close, before it has read all of it. */
    dial_write(fd, bytes, length, end_ns);
    message_answer(fd, ANSWER_MAX, end_ns, &answer);
    if (answer.status >= 200)
        delivery = judge(replay, &answer);
    message_free(&answer);
    return delivery;
}

static enum delivery record(struct replay *replay, const struct spool_item *item, enum delivery delivery)
{
    bool kept = true;
    if (delivery == DELIVERY_DELIVERED)
        kept = spool_done(&replay->spool, item);
    else if (delivery == DELIVERY_REFUSED)
        kept = spool_refuse(&replay->spool, item);
    return kept ? delivery : DELIVERY_BROKEN;
}

static enum delivery deliver(struct replay *replay, struct spool_item *item)
{
    const char *error;
    char *bytes;
    size_t length;
    if (item->sent && replay->stops_in_doubt)
        return DELIVERY_DOUBT;
    if (item->sent && replay->skips_in_doubt) {
        snprintf(replay->why, sizeof replay->why, "it may have been delivered");
        return record(replay, item, DELIVERY_REFUSED);
    }
    if (!spool_read(&replay->spool, item, &bytes, &length))
        return DELIVERY_BROKEN;
    int fd = dial_connect(replay->to, replay->timeout_ns, &error);
    enum delivery delivery = DELIVERY_LATER;
    replay->retry_after_s = 0;
    if (fd < 0) {
        snprintf(replay->why, sizeof replay->why, "%s: %s", replay->to, error);
    } else {
        replay->again += item->sent;
        delivery = spool_begin(&replay->spool, item) ? exchange(replay, fd, bytes, length) : DELIVERY_BROKEN;
        close(fd);
    }
    free(bytes);
    return record(replay, item, delivery);
}

/* ---- the whole spool ------------------------------------------------------------------------------ */

static void pause_for(uint64_t ns)
{
    const uint64_t slice_ns = 100000000, end_ns = clock_now_ns() + ns;
    for (uint64_t now_ns; !ended && (now_ns = clock_now_ns()) < end_ns;) {
        uint64_t rest_ns = end_ns - now_ns < slice_ns ? end_ns - now_ns : slice_ns;
        const struct timespec one = {.tv_nsec = (long)rest_ns};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &one, NULL);
    }
}

/* What could not be delivered now: from 200 ms to 30 s, or as long as the receiver says, up to 5 minutes. */
static void back_off(const struct replay *replay, unsigned failures)
{
    const uint64_t first_ns = 200000000, most_ns = 30000000000ull, told_most_s = 300;
    uint64_t wait_ns = first_ns << (failures < 8 ? failures : 8);
    if (replay->retry_after_s > 0)
        wait_ns = (replay->retry_after_s < told_most_s ? replay->retry_after_s : told_most_s) * NS_PER_S;
    else if (wait_ns > most_ns)
        wait_ns = most_ns;
    pause_for(wait_ns);
}

static void report(const struct replay *replay, const struct spool_item *item, enum delivery delivery)
{
    if (delivery == DELIVERY_REFUSED)
        complain("%" PRIu64 " was moved to refused/: %s", item->number, replay->why);
    else if (delivery == DELIVERY_LATER)
        complain("%" PRIu64 " was not delivered: %s", item->number, replay->why);
    else if (delivery == DELIVERY_DOUBT)
        complain("%" PRIu64 " may have been delivered by a run that was killed: --in-doubt again, or skip",
                 item->number);
    else if (delivery == DELIVERY_BROKEN)
        complain("%" PRIu64 ": the spool: %s", item->number, strerror(errno));
}

/* One after the other; the first that stays stops those behind it. */
static enum delivery deliver_all(struct replay *replay, struct spool_item *items, size_t count)
{
    unsigned failures = 0;
    for (size_t i = 0; i < count && !ended;) {
        enum delivery delivery = deliver(replay, &items[i]);
        if (delivery != DELIVERY_DELIVERED && (delivery != DELIVERY_LATER || failures == 0 || !replay->follow))
            report(replay, &items[i], delivery);
        replay->delivered += delivery == DELIVERY_DELIVERED;
        replay->refused += delivery == DELIVERY_REFUSED;
        if (delivery == DELIVERY_DELIVERED || delivery == DELIVERY_REFUSED) {
            failures = 0;
            i++;
        } else if (delivery == DELIVERY_LATER && replay->follow) {
            back_off(replay, failures++);
        } else {
            return delivery;
        }
    }
    return DELIVERY_DELIVERED;
}

static enum delivery run(struct replay *replay, size_t *left)
{
    enum delivery last = DELIVERY_DELIVERED;
    struct spool_item *items;
    const uint64_t look_ns = 200000000;
    for (;;) {
        if (!spool_list(&replay->spool, &items, left))
            return DELIVERY_BROKEN;
        if (*left > 0 && last == DELIVERY_DELIVERED && !ended)
            last = deliver_all(replay, items, *left);
        else if (last != DELIVERY_DELIVERED || ended || !replay->follow) {
            free(items);
            return last;
        } else {
            pause_for(look_ns);
        }
        free(items);
    }
}

static int conclude(struct replay *replay, bool as_json)
{
    size_t left = 0;
    enum delivery last = run(replay, &left);
    if (as_json) {
        struct json json = {.out = stdout};
        json_object(&json, NULL);
        json_number(&json, "delivered", replay->delivered);
        json_number(&json, "refused", replay->refused);
        json_number(&json, "sent_again", replay->again);
        json_number(&json, "left", left);
        json_text(&json, "stopped_by", last == DELIVERY_LATER ? replay->why : NULL);
        json_close(&json);
    } else {
        printf("delivered %" PRIu64 ", refused %" PRIu64 ", left %zu\n", replay->delivered, replay->refused, left);
    }
    int written = finish_output();
    if (last == DELIVERY_BROKEN)
        return RESCTL_SYSTEM;
    if (written != RESCTL_OK)
        return written;
    return (last == DELIVERY_DELIVERED && replay->refused == 0) ? RESCTL_OK : RESCTL_NO;
}

static bool read_doubt(const char *text, struct replay *replay)
{
    replay->stops_in_doubt = strcmp(text, "stop") == 0;
    replay->skips_in_doubt = strcmp(text, "skip") == 0;
    if (replay->stops_in_doubt || replay->skips_in_doubt || strcmp(text, "again") == 0)
        return true;
    complain("--in-doubt: got `%s', want again, skip or stop", text);
    return false;
}

int command_replay(const struct command *self, int argc, char **argv)
{
    struct replay replay = {.timeout_ns = 30 * NS_PER_S};
    const char *timeout = NULL, *doubt = "again", *error;
    bool as_json = false;
    const struct option_row rows[] = {
        {"to", 't', OPTION_TEXT, &replay.to, "HOST:PORT", "the receiver, or unix:/PATH"},
        {"follow", 'f', OPTION_FLAG, &replay.follow, NULL, "stay: wait for a receiver that is down, and for more"},
        {"in-doubt", 0, OPTION_TEXT, &doubt, "WORD", "what a killed run may have sent: again (default), skip, stop"},
        {"timeout", 0, OPTION_TEXT, &timeout, "D", "of each connect and each answer (30s)"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "the counts as a JSON object"},
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 1};
    const struct sigaction action = {.sa_handler = end};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (timeout && (!parse_duration(timeout, strlen(timeout), &replay.timeout_ns) || replay.timeout_ns <= 0)) {
        complain("--timeout: got `%s', want a duration with its unit, such as 5s", timeout);
        return RESCTL_USAGE;
    }
    if (!replay.to || !read_doubt(doubt, &replay)) {
        if (!replay.to)
            complain("want --to HOST:PORT or --to unix:/PATH");
        return RESCTL_USAGE;
    }
    if (!spool_open(operands.text[0], SPOOL_DELIVERS, &replay.spool, &error)) {
        complain("%s: %s", operands.text[0], error);
        return replay.spool.dir >= 0 ? RESCTL_NO : RESCTL_SYSTEM;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return conclude(&replay, as_json);
}
