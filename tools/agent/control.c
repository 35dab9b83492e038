/* SPDX-License-Identifier: MIT
 * Who may, what is wanted, and a child that does it. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../json.h"
#include "../print.h"
#include "base/clock.h"
#include "child.h"
#include "document.h"

enum { TOKEN_MIN = 16, TOKEN_MAX = 256, JOBS = 4, OUTPUT = 4096, FIELD = 256 };

#define LIMIT_NS (10 * (uint64_t)NS_PER_S)
#define LOOK_NS  (20 * (uint64_t)NS_PER_MS)

static const char prefix[] = "/api/v1/";
static const char *const verbs[] = {"trip", "force-open", "force-closed", "drain", "ready", "reset"};

/* What a request asks for, as words of a command line. */
struct wish {
    const char *verb;
    char destination[FIELD], endpoint[FIELD], period[FIELD];
    char operand[2 * FIELD + 2];
    const char *segment;
};

struct job {
    struct http_client *client; /* NULL: gone meanwhile */
    pid_t child;                /* 0: the place is free */
    int output;
    uint64_t until_ns;
    struct loop_timer timer;
    struct agent *agent;
};

static char token[TOKEN_MAX + 2];
static struct job jobs[JOBS];

/* ---- the token */

static bool refuse_token(struct agent *agent, const char *why)
{
    char safe[1024];
    complain("agent: --token-file %s: %s", escape_text(safe, sizeof safe, agent->token_file), why);
    agent->code = RESCTL_USAGE;
    return false;
}

static bool is_token(const char *text)
{
    size_t length = strlen(text);
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f)
            return false;
    return length >= TOKEN_MIN && length <= TOKEN_MAX;
}

bool control_open(struct agent *agent)
{
    struct stat st;
    if (!agent->allow_control && !agent->token_file)
        return true;
    if (!agent->allow_control || !agent->token_file) {
        complain("agent: --allow-control and --token-file go together");
        agent->code = RESCTL_USAGE;
        return false;
    }
    int fd = open(agent->token_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t bytes = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, token, sizeof token - 1) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (bytes < 0)
        return refuse_token(agent, fd < 0 ? strerror(error) : "not a file that can be read");
    if (st.st_mode & 077)
        return refuse_token(agent, "others may read or write it; want mode 0600");
    token[bytes] = '\0';
    token[strcspn(token, "\n")] = '\0';
    return is_token(token) || refuse_token(agent, "want one line of 16 to 256 printable characters");
}

/* As long for a wrong token as for the right one. */
static bool knows_token(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    unsigned char differs = 0;
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    size_t length = strlen(given);
    for (size_t i = 0; i <= strlen(token); i++)
        differs |= (unsigned char)(token[i] ^ given[i < length ? i : length]);
    return differs == 0 && length == strlen(token);
}

/* ---- who asks */

static bool is_of_another_page(const struct http_request *request)
{
    static const char scheme[] = "http://";
    if (request->fetch_site[0] && strcmp(request->fetch_site, "same-origin") != 0 &&
        strcmp(request->fetch_site, "none") != 0)
        return true;
    return request->origin[0] && (strncmp(request->origin, scheme, sizeof scheme - 1) != 0 ||
                                  strcasecmp(request->origin + sizeof scheme - 1, request->host) != 0);
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t length = strcspn(type, "; ");
    return length == sizeof json - 1 && strncasecmp(type, json, length) == 0;
}

/* False after an answer. */
static bool may(const struct agent *agent, struct http_client *client, const struct http_request *request)
{
    if (request->method != HTTP_POST)
        http_refuse(client, 405, "only POST", "Allow: POST\r\n");
    else if (!agent->allow_control)
        http_refuse(client, 403, "this agent only tells; start it with --allow-control and --token-file FILE", NULL);
    else if (is_of_another_page(request))
        http_refuse(client, 403, "not from the page of another origin", NULL);
    else if (!knows_token(request->authorization))
        http_refuse(client, 401, "want Authorization: Bearer TOKEN, with the token of --token-file",
                    "WWW-Authenticate: Bearer\r\n");
    else if (!is_json(request->content_type))
        http_refuse(client, 415, "want Content-Type: application/json", NULL);
    else
        return true;
    return false;
}

/* ---- what is wanted */

static bool read_field(const struct document *document, const char *name, bool wanted, char *out)
{
    uint32_t value = document_member(document, 0, name);
    out[0] = '\0';
    if (value == DOCUMENT_NONE)
        return !wanted;
    return document_text(document, value, out, FIELD) && out[0];
}

static bool read_wish(const char *body, struct wish *wish)
{
    struct document document;
    bool ok = document_read(&document, body, strlen(body)) && document_is(&document, 0, DOCUMENT_OBJECT) &&
              read_field(&document, "destination", true, wish->destination) &&
              read_field(&document, "endpoint", false, wish->endpoint) &&
              read_field(&document, "for", false, wish->period);
    document_release(&document);
    if (ok)
        snprintf(wish->operand, sizeof wish->operand, "%s%s%s", wish->destination, wish->endpoint[0] ? "/" : "",
                 wish->endpoint);
    return ok;
}

/* ---- doing it */

static void become(void *context, int output)
{
    const struct wish *wish = context;
    char segment[SEGMENT_PATH + 16], period[FIELD + 8];
    const char *argv[8];
    unsigned argc = 0;
    snprintf(segment, sizeof segment, "--segment=%s", wish->segment);
    snprintf(period, sizeof period, "--for=%s", wish->period);
    argv[argc++] = "resctl";
    argv[argc++] = wish->verb;
    argv[argc++] = segment;
    if (wish->period[0])
        argv[argc++] = period;
    argv[argc++] = "--"; /* whatever the name begins with */
    argv[argc++] = wish->operand;
    argv[argc] = NULL;
    dup2(output, STDERR_FILENO);
    execv("/proc/self/exe", (char *const *)argv);
    _exit(RESCTL_SYSTEM);
}

static int status_of(int status)
{
    if (!WIFEXITED(status))
        return 500;
    switch (WEXITSTATUS(status)) {
    case RESCTL_OK:
        return 200;
    case RESCTL_NO:
        return 404;
    case RESCTL_USAGE:
        return 400;
    default:
        return 500;
    }
}

static void answer(struct job *job, int status)
{
    char said[OUTPUT], *text = NULL;
    size_t bytes = 0;
    ssize_t got = read(job->output, said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return;
    struct json json = {.out = out};
    json_object(&json, NULL);
    json_bool(&json, "ok", status == 200);
    json_text(&json, "message", said);
    json_close(&json);
    if (fclose(out) == 0) {
        struct http_answer reply = {.status = status, .type = "application/json", .body = text, .bytes = bytes};
        http_answer(job->client, &reply);
        http_go_on(job->client);
    }
    free(text);
}

static void end_job(struct job *job, int status)
{
    loop_disarm(&job->agent->loop, &job->timer);
    if (job->client)
        answer(job, status);
    close(job->output);
    job->child = 0;
}

static void look(void *data)
{
    struct job *job = data;
    int status;
    uint64_t now_ns = clock_now_ns();
    if (child_ended(job->child, &status)) {
        end_job(job, status_of(status));
    } else if (now_ns >= job->until_ns) {
        child_kill(job->child);
        end_job(job, 500);
    } else {
        loop_arm(&job->agent->loop, &job->timer, now_ns + LOOK_NS);
    }
}

static bool begin_job(struct agent *agent, struct http_client *client, struct wish *wish)
{
    struct job *job = jobs;
    int ends[2];
    while (job < jobs + JOBS && job->child)
        job++;
    if (job == jobs + JOBS || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    struct child_plan plan = {.run = become, .context = wish, .input = -1, .output = ends[1]};
    pid_t pid = child_start(&plan);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    uint64_t now_ns = clock_now_ns();
    *job =
        (struct job){.client = client, .child = pid, .output = ends[0], .until_ns = now_ns + LIMIT_NS, .agent = agent};
    job->timer = (struct loop_timer){.fire = look, .data = job};
    loop_arm(&agent->loop, &job->timer, now_ns + LOOK_NS);
    return true;
}

bool control_serve(struct agent *agent, struct http_client *client, const struct http_request *request,
                   const char *body)
{
    struct wish wish = {.verb = NULL, .segment = agent->path};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strncmp(request->path, prefix, sizeof prefix - 1) == 0 &&
            strcmp(request->path + sizeof prefix - 1, verbs[i]) == 0)
            wish.verb = verbs[i];
    if (!wish.verb)
        return false;
    if (!may(agent, client, request))
        return true;
    if (!read_wish(body, &wish))
        http_refuse(client, 400,
                    "want {\"destination\": NAME, \"endpoint\": ADDR, \"for\": DURATION}, the last two if wanted",
                    NULL);
    else if (begin_job(agent, client, &wish))
        http_answer_later(client);
    else
        http_refuse(client, 503, "too much at once", "Retry-After: 1\r\n");
    return true;
}

void control_forget(const struct http_client *client)
{
    for (unsigned i = 0; i < JOBS; i++)
        if (jobs[i].child && jobs[i].client == client)
            jobs[i].client = NULL;
}

void control_close(struct agent *agent)
{
    for (unsigned i = 0; i < JOBS; i++) {
        if (!jobs[i].child)
            continue;
        loop_disarm(&agent->loop, &jobs[i].timer);
        child_kill(jobs[i].child);
        close(jobs[i].output);
        jobs[i].child = 0;
    }
}
