/* SPDX-License-Identifier: MIT
 * Routes. */
#include "web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../checks.h"
#include "../health.h"
#include "../metrics.h"
#include "../print.h"
#include "../status.h"
#include "base/clock.h"
#include "control.h"
#include "http.h"
#include "stream.h"

enum { LISTENERS = 8, NONCE_BYTES = 16 };

#define RETRY_NS 1000000000ull

/* One address to listen at. */
struct web {
    struct agent *agent;
    const char *listen;
    struct http_server *server;
    struct loop_timer retry; /* the address is taken: by the agent that we wait for, perhaps */
};

static struct web webs[LISTENERS];
static unsigned used;
static const char *hosts[HTTP_HOSTS + 1];
static char own_host[256];

static const char json_type[] = "application/json";

/* ---- answers */

/* An answer that some writer puts into a stream of memory. */
struct draft {
    FILE *out;
    char *text;
    size_t bytes;
};

static bool draft_begin(struct draft *draft, struct http_client *client)
{
    *draft = (struct draft){.text = NULL};
    draft->out = open_memstream(&draft->text, &draft->bytes);
    if (!draft->out)
        http_refuse(client, 500, "no memory", NULL);
    return draft->out != NULL;
}

static void draft_send(struct draft *draft, struct http_client *client, int status, const char *type,
                       const char *fields)
{
    struct http_answer answer = {.status = status, .type = type, .fields = fields};
    if (fclose(draft->out) == 0) {
        answer.body = draft->text;
        answer.bytes = draft->bytes;
        http_answer(client, &answer);
    } else {
        http_refuse(client, 500, "no memory", NULL);
    }
    free(draft->text);
}

static void serve_metrics(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    bool openmetrics = http_accepts(request->accept, "application/openmetrics-text");
    struct draft draft;
    if (!draft_begin(&draft, client))
        return;
    struct view *view = view_take(&agent->segment);
    metrics_write(view, draft.out, openmetrics);
    view_release(view);
    draft_send(&draft, client, 200,
               openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                           : "text/plain; version=0.0.4; charset=utf-8",
               "Vary: Accept\r\n");
}

static void serve_status(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    struct draft draft;
    (void)request;
    if (!draft_begin(&draft, client))
        return;
    struct view *view = view_take(&agent->segment);
    status_write_json(view, NULL, draft.out);
    view_release(view);
    draft_send(&draft, client, 200, json_type, NULL);
}

/* Only what is known already: nobody's request makes the agent ask somebody else. */
static void answer_health(struct agent *agent, struct http_client *client, enum health_scope scope)
{
    struct check_fact facts[RULES_CHECKS];
    struct draft draft;
    if (!draft_begin(&draft, client))
        return;
    struct view *view = view_take(&agent->segment);
    uint32_t count = view->rules ? checks_read(&agent->segment, view->rules, view->now_ns, facts) : 0;
    int status = health_write(view, facts, count, scope, draft.out);
    view_release(view);
    draft_send(&draft, client, status, json_type, NULL);
}

static void serve_health(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    (void)request;
    answer_health(agent, client, HEALTH_OF_ALL);
}

static void serve_live(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    (void)request;
    answer_health(agent, client, HEALTH_OF_LIVENESS);
}

static void serve_ready(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    (void)request;
    answer_health(agent, client, HEALTH_OF_READINESS);
}

/* The page's own script and style are let run by a number that nobody can guess; nothing else is, from nowhere. */
static void serve_page(struct agent *agent, struct http_client *client, const struct http_request *request)
{
    unsigned char random[NONCE_BYTES];
    char nonce[2 * NONCE_BYTES + 1], fields[512];
    struct draft draft;
    (void)agent;
    (void)request;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        http_refuse(client, 500, "no random numbers", NULL);
        return;
    }
    for (unsigned i = 0; i < NONCE_BYTES; i++)
        snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    if (!draft_begin(&draft, client))
        return;
    const char *at = web_page_begin, *mark;
    while ((mark = strstr(at, WEB_NONCE)) != NULL) {
        fwrite(at, 1, (size_t)(mark - at), draft.out);
        fputs(nonce, draft.out);
        at = mark + strlen(WEB_NONCE);
    }
    fwrite(at, 1, (size_t)(web_page_end - at), draft.out);
    snprintf(fields, sizeof fields,
             "Content-Security-Policy: default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
             nonce, nonce);
    draft_send(&draft, client, 200, "text/html; charset=utf-8", fields);
}

/* ---- routes */

static const struct {
    const char *path;
    void (*serve)(struct agent *agent, struct http_client *client, const struct http_request *request);
} routes[] = {
    {"/", serve_page},
    {"/metrics", serve_metrics},
    {"/health", serve_health},
    {"/health/live", serve_live},
    {"/live", serve_live},
    {"/health/ready", serve_ready},
    {"/ready", serve_ready},
    {"/api/v1/status", serve_status},
    {"/api/v1/events", stream_begin},
};

static void handle(void *data, struct http_client *client, const struct http_request *request, const char *body)
{
    struct web *web = data;
    if (control_serve(web->agent, client, request, body))
        return;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, request->path) != 0)
            continue;
        if (request->method == HTTP_GET || request->method == HTTP_HEAD)
            routes[i].serve(web->agent, client, request);
        else
            http_refuse(client, 405, "only GET and HEAD", "Allow: GET, HEAD\r\n");
        return;
    }
    http_refuse(client, 404, "there is no such page", NULL);
}

static void stream_is_closed(void *data, struct http_client *client)
{
    (void)data;
    if (client->state == HTTP_STREAMING)
        stream_end(client);
    else
        control_forget(client);
}

/* ---- listening */

static int try(struct web *web, char *error, size_t size)
{
    struct http_server *server = web->server;
    server->loop = &web->agent->loop;
    server->handle = handle;
    server->closed = stream_is_closed;
    server->data = web;
    server->hosts = hosts;
    int code = http_listen(server, web->listen, error, size);
    if (code < 0)
        return code;
    agent_say("answers at %s", server->where);
    if (http_is_open_to_others(server))
        agent_say("whoever reaches %s can read what is told there", server->where);
    return 0;
}

static void try_again(void *data)
{
    struct web *web = data;
    char error[512];
    if (try(web, error, sizeof error) < 0)
        loop_arm(&web->agent->loop, &web->retry, clock_now_ns() + RETRY_NS);
}

/* A taken address is no reason to end: the agent that has it may be the one whose place this one shall take. */
static bool listen_at(struct agent *agent, const char *listen)
{
    struct web *web = &webs[used++];
    char error[512], safe[ESCAPED(sizeof error)];
    *web = (struct web){.agent = agent, .listen = listen, .server = take_memory(1, sizeof *web->server)};
    web->retry = (struct loop_timer){.fire = try_again, .data = web};
    int code = try(web, error, sizeof error);
    if (code == 0)
        return true;
    escape_text(safe, sizeof safe, error);
    if (code != -EADDRINUSE) {
        complain("agent: %s", safe);
        agent->code = code == -EINVAL ? RESCTL_USAGE : RESCTL_SYSTEM;
        return false;
    }
    agent_say("%s; trying again every second", safe);
    loop_arm(&agent->loop, &web->retry, clock_now_ns() + RETRY_NS);
    return true;
}

/* The names by which it may be asked for: those given, and this host's own. */
static bool take_hosts(struct agent *agent)
{
    const struct option_list *list = &agent->hosts;
    unsigned count = 0;
    if (list->count > HTTP_HOSTS - 1) {
        complain("agent: option --host: at most %d of them", HTTP_HOSTS - 1);
        agent->code = RESCTL_USAGE;
        return false;
    }
    for (int i = 0; i < list->count; i++)
        hosts[count++] = list->item[i];
    if (gethostname(own_host, sizeof own_host - 1) == 0 && own_host[0])
        hosts[count++] = own_host;
    hosts[count] = NULL;
    return true;
}

static bool open_web(struct agent *agent)
{
    if (!take_hosts(agent) || !control_open(agent))
        return false;
    if (agent->listen.count > LISTENERS) {
        complain("agent: option --listen: at most %d of them", LISTENERS);
        agent->code = RESCTL_USAGE;
        return false;
    }
    for (int i = 0; i < agent->listen.count; i++)
        if (!listen_at(agent, agent->listen.item[i]))
            return false;
    return true;
}

static void close_web(struct agent *agent)
{
    stream_close(agent);
    control_close(agent);
    for (unsigned i = 0; i < used; i++) {
        loop_disarm(&agent->loop, &webs[i].retry);
        http_close(webs[i].server);
        free(webs[i].server);
    }
    used = 0;
}

const struct agent_part web_part = {.name = "web", .open = open_web, .close = close_web};
