/* SPDX-License-Identifier: MIT
 * Who listens, and how far each has read. */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event_text.h"
#include "../events.h"
#include "../print.h"
#include "base/clock.h"

#define LOOK_NS  200000000ull
#define ALIVE_NS 15000000000ull /* a line that means nothing, so that nobody between us takes the stream for dead */

enum { BACKLOG = 50, BACKLOG_MAX = 3072 };

struct listener {
    struct http_client *client;
    struct event_cursor cursor;
    uint64_t sent_ns;
    struct listener *next;
};

static struct listener *listeners;
static struct loop_timer looking;

static void forget(struct listener *listener)
{
    struct listener **at = &listeners;
    while (*at && *at != listener)
        at = &(*at)->next;
    if (*at)
        *at = listener->next;
    free(listener);
}

static void write_message(FILE *out, const struct seg_event *event, const struct event_cursor *cursor)
{
    if (cursor)
        fprintf(out, "id: %" PRIu64 ".%" PRIu64 "\n", cursor->next[RING_LIFE], cursor->next[RING_REFUSAL]);
    fputs("data: ", out);
    event_write_json(event, out); /* one line, with its end */
    fputc('\n', out);
}

/* False: the listener is gone. */
static bool send_text(struct listener *listener, char *text, size_t bytes)
{
    bool there = http_send(listener->client, text, bytes);
    listener->sent_ns = clock_now_ns();
    if (!there)
        forget(listener);
    return there;
}

/* What is new to it, at most the last so many. */
static void send_new(const struct segment *segment, struct listener *listener, size_t most)
{
    char *text = NULL;
    size_t bytes = 0;
    struct event_batch batch = events_gather(segment, &listener->cursor, true);
    FILE *out = open_memstream(&text, &bytes);
    size_t first = batch.count > most ? batch.count - most : 0;
    for (size_t i = first; out && i < batch.count; i++)
        write_message(out, &batch.event[i], i + 1 == batch.count ? &listener->cursor : NULL);
    free(batch.event);
    if (out && fclose(out) == 0 && bytes > 0)
        send_text(listener, text, bytes);
    free(text);
}

static bool has_news(const struct segment *segment, const struct listener *listener)
{
    bool news = false;
    for (int ring = 0; ring < RINGS; ring++)
        news |= atomic_load(&seg_header(segment)->event_seq[ring]) != listener->cursor.next[ring];
    return news;
}

static void look(void *data)
{
    struct agent *agent = data;
    uint64_t now_ns = clock_now_ns();
    struct listener *next;
    for (struct listener *listener = listeners; listener; listener = next) {
        char nothing[] = ":\n\n";
        next = listener->next;
        if (has_news(&agent->segment, listener))
            send_new(&agent->segment, listener, BACKLOG_MAX);
        else if (now_ns - listener->sent_ns > ALIVE_NS)
            send_text(listener, nothing, sizeof nothing - 1);
    }
    if (listeners)
        loop_arm(&agent->loop, &looking, now_ns + LOOK_NS);
}

/* Where a reader that comes back was. Anything else than such an id is none. */
static bool read_id(const char *text, struct event_cursor *cursor)
{
    char *end;
    uint64_t life = strtoull(text, &end, 10);
    if (end == text || *end != '.' || text[0] == '-')
        return false;
    const char *rest = end + 1;
    uint64_t refusal = strtoull(rest, &end, 10);
    if (end == rest || *end || rest[0] == '-')
        return false;
    cursor->next[RING_LIFE] = life;
    cursor->next[RING_REFUSAL] = refusal;
    return true;
}

void stream_begin(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    char last[16];
    char hello[] = "retry: 2000\n\n";
    size_t most = BACKLOG;
    if (!http_stream(client, "text/event-stream; charset=utf-8"))
        return;
    struct listener *listener = take_memory(1, sizeof *listener);
    if (http_query(request, "last", last, sizeof last))
        most = (size_t)strtoul(last, NULL, 10);
    if (read_id(request->last_event_id, &listener->cursor))
        most = BACKLOG_MAX;
    listener->client = client;
    listener->next = listeners;
    listeners = listener;
    client->context = listener;
    if (send_text(listener, hello, sizeof hello - 1))
        send_new(&agent->segment, listener, most < BACKLOG_MAX ? most : BACKLOG_MAX);
    if (!looking.armed) {
        looking = (struct loop_timer){.fire = look, .data = agent};
        loop_arm(&agent->loop, &looking, clock_now_ns() + LOOK_NS);
    }
}

void stream_end(struct http_client *client)
{
    if (client->context)
        forget(client->context);
}

void stream_close(struct agent *agent)
{
    loop_disarm(&agent->loop, &looking);
    while (listeners)
        forget(listeners);
}
