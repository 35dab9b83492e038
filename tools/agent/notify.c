/* SPDX-License-Identifier: MIT
 * Looking for events, and telling them. */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../event_text.h"
#include "../events.h"
#include "../print.h"
#include "base/clock.h"
#include "notify_exec.h"
#include "policy/health.h"

#define LOOK_NS (200 * (uint64_t)NS_PER_MS)

enum { LINE = 4096, MESSAGE = 2048 };

static struct {
    struct event_cursor cursor;
    struct loop_timer timer;
    uint32_t kinds; /* bits */
    char log[1024]; /* "" for none */
    char syslog[sizeof(((struct sockaddr_un *)0)->sun_path)];
    bool log_failed, syslog_failed;
} notifier;

_Static_assert(EVENT_COUNT <= 32, "bits of kinds");

static void say_lost(const char *how, const char *where, int error)
{
    char safe[ESCAPED(sizeof notifier.log)];
    agent_say("events %s %s: %s", how, escape_text(safe, sizeof safe, where), strerror(error));
}

/* ---- log */

/* Opened for each line: whoever rotates the file needs to tell nobody. */
static bool append(const char *path, const char *line, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        return false;
    ssize_t written = write(fd, line, bytes);
    int error = written < 0 ? errno : ENOSPC;
    close(fd);
    errno = error;
    return written == (ssize_t)bytes;
}

static void write_log(const struct seg_event *event)
{
    char line[LINE];
    FILE *out = fmemopen(line, sizeof line, "w");
    if (!out)
        return;
    event_write_json(event, out);
    long bytes = ftell(out);
    if (fclose(out) != 0 || bytes <= 0)
        return;
    if (strcmp(notifier.log, "stderr") == 0) {
        fwrite(line, 1, (size_t)bytes, stderr);
        return;
    }
    bool ok = append(notifier.log, line, (size_t)bytes);
    if (!ok && !notifier.log_failed)
        say_lost("are not written to", notifier.log, errno);
    notifier.log_failed = !ok;
}

/* ---- syslog */

static int severity_of(const struct seg_event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_STATE:
        return event->to == STATE_OPEN ? LOG_ERR : event->to == STATE_HALF_OPEN ? LOG_WARNING : LOG_NOTICE;
    case EVENT_HEALTH:
        return event->to == HEALTH_DOWN ? LOG_ERR : LOG_NOTICE;
    case EVENT_CONFIG_ERROR:
        return LOG_ERR;
    case EVENT_REJECTED:
    case EVENT_FAILED:
    case EVENT_DISCOVERY_FAILED:
        return LOG_WARNING;
    default:
        return LOG_INFO;
    }
}

static void put(FILE *out, const char *before, const char *text)
{
    char safe[ESCAPED(SEG_LABEL)];
    if (*text)
        fprintf(out, "%s%s", before, escape_text(safe, sizeof safe, text));
}

/* "<PRI>TIMESTAMP TAG[PID]: text", as syslog(3) writes it (RFC 3164); syslog(3) itself may wait. */
static size_t format_message(const struct seg_event *event, char *text, size_t size)
{
    char when[32];
    struct event_words words = event_words(event);
    struct tm tm;
    time_t seconds = (time_t)(event->wall_ns / (uint64_t)NS_PER_S);
    FILE *out = fmemopen(text, size, "w");
    if (!out)
        return 0;
    localtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
    fprintf(out, "<%d>%s " AGENT_PROGRAM "[%d]: %s", LOG_DAEMON | severity_of(event), when, (int)getpid(), words.kind);
    put(out, " ", event->name);
    put(out, " ", event->label);
    put(out, " ", words.from);
    put(out, " -> ", words.to);
    put(out, " ", words.reason);
    put(out, " ", words.error);
    fprintf(out, " pid %u", event->pid);
    put(out, " ", event->program);
    long bytes = ftell(out);
    return fclose(out) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static bool send_message(const char *path, const char *text, size_t bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && sendto(fd, text, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address) >= 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

static void write_syslog(const struct seg_event *event)
{
    char text[MESSAGE];
    bool ok = send_message(notifier.syslog, text, format_message(event, text, sizeof text));
    if (!ok && !notifier.syslog_failed)
        say_lost("do not reach", notifier.syslog, errno);
    notifier.syslog_failed = !ok;
}

/* ---- looking */

static void tell(const struct seg_event *event)
{
    if (!(notifier.kinds >> event->kind & 1))
        return;
    if (notifier.log[0])
        write_log(event);
    if (notifier.syslog[0])
        write_syslog(event);
    notify_exec(event);
}

static void look(void *data)
{
    struct agent *agent = data;
    bool news = false;
    for (int ring = 0; ring < RINGS; ring++)
        news |= atomic_load(&seg_header(&agent->segment)->event_seq[ring]) != notifier.cursor.next[ring];
    if (news) {
        struct event_batch batch = events_gather(&agent->segment, &notifier.cursor, true);
        for (size_t i = 0; i < batch.count; i++)
            tell(&batch.event[i]);
        free(batch.event);
    }
    loop_arm(&agent->loop, &notifier.timer, clock_now_ns() + LOOK_NS);
}

static void read_rules(struct agent *agent)
{
    const struct rules *rules = agent->rules;
    const char *log = rules ? rules_text(rules, rules->event_log) : "";
    const char *syslog = rules ? rules_text(rules, rules->event_syslog) : "";
    const char *exec = rules ? rules_text(rules, rules->event_exec) : "";
    notifier.kinds = rules ? rules->event_kinds : 0;
    copy_text(notifier.log, sizeof notifier.log, log, strlen(log));
    if (strcmp(syslog, "on") == 0)
        syslog = "unix:/dev/log";
    syslog = strncmp(syslog, RULES_UNIX, strlen(RULES_UNIX)) == 0 ? syslog + strlen(RULES_UNIX) : "";
    copy_text(notifier.syslog, sizeof notifier.syslog, syslog, strlen(syslog));
    notify_exec_set(agent, exec, rules ? rules->event_exec_rate : 1);
}

/* From now on: what was before, the agent before us has told, or nobody waited for. */
static void begin(struct agent *agent)
{
    memset(&notifier.cursor, 0, sizeof notifier.cursor);
    for (int ring = 0; ring < RINGS; ring++)
        notifier.cursor.next[ring] = atomic_load(&seg_header(&agent->segment)->event_seq[ring]);
    notifier.timer = (struct loop_timer){.fire = look, .data = agent};
    read_rules(agent);
    loop_arm(&agent->loop, &notifier.timer, clock_now_ns() + LOOK_NS);
}

static void end(struct agent *agent)
{
    loop_disarm(&agent->loop, &notifier.timer);
    notify_exec_end();
}

const struct agent_part notify_part = {.name = "notify", .begin = begin, .rules = read_rules, .end = end};
