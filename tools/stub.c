/* SPDX-License-Identifier: MIT
 * `resctl stub`: what a fallback answers: a fixed page or status, the last good answer, or `kept for later`. */
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "commands.h"
#include "dial.h"
#include "print.h"

enum { CHILDREN_MAX = 128 };

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

/* ---- the listener --------------------------------------------------------------------------------- */

static void hold_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(how, &set, NULL);
}

static void become_child(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody hears from a stub that was killed */
    if (getppid() != parent)
        _exit(RESCTL_SYSTEM);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    hold_signals(SIG_UNBLOCK);
}

static pid_t start_child(void)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        become_child(parent);
    return child;
}

static void collect(unsigned *children, bool wait)
{
    while (*children > 0 && waitpid(-1, NULL, wait ? 0 : WNOHANG) > 0) {
        (*children)--;
        wait = false;
    }
}

/* At most a second, and not beyond a signal: the signals that end a stub are let in by nothing but this wait, so that
 * none comes between the look at `ended' and the wait. */
static bool wait_for_client(int listener)
{
    struct pollfd one = {.fd = listener, .events = POLLIN};
    const struct timespec second = {.tv_sec = 1, .tv_nsec = 0};
    sigset_t none;
    sigemptyset(&none);
    return ppoll(&one, 1, &second, &none) > 0;
}

static void serve_next(const struct stub *stub, int listener, unsigned *children)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            collect(children, true);
        return;
    }
    pid_t child = start_child();
    if (child == 0) {
        close(listener);
        stub_serve(stub, fd);
        _exit(RESCTL_OK);
    }
    *children += child > 0;
    close(fd);
}

/* Fetches the pages that are to be kept, again and again. */
static void refresh(const struct stub *stub, const struct option_list *pages, int64_t every_ns)
{
    struct message answer;
    const struct timespec pause = {.tv_sec = (time_t)(every_ns / NS_PER_S), .tv_nsec = (long)(every_ns % NS_PER_S)};
    for (;;) {
        for (int i = 0; i < pages->count; i++) {
            stub_fetch(stub, NULL, pages->item[i], &answer);
            message_free(&answer);
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static int serve(const struct stub *stub, int listener, const struct option_list *pages, int64_t every_ns)
{
    unsigned children = 0;
    pid_t refresher = pages->count > 0 ? start_child() : -1;
    if (refresher == 0) {
        close(listener);
        refresh(stub, pages, every_ns);
    }
    while (!ended) {
        collect(&children, children >= CHILDREN_MAX);
        if (wait_for_client(listener))
            serve_next(stub, listener, &children);
    }
    close(listener);
    if (refresher > 0)
        kill(refresher, SIGKILL);
    if (refresher > 0)
        waitpid(refresher, NULL, 0);
    while (children > 0) /* who was accepted gets an answer */
        collect(&children, true);
    return RESCTL_OK;
}

/* ---- options -------------------------------------------------------------------------------------- */

struct wishes {
    const char *listen, *file, *type, *retry_after, *spool, *cache, *upstream, *refresh, *timeout, *max_bytes;
    int64_t status;
    struct option_list headers, pages;
};

static bool read_duration(const char *name, const char *text, int64_t *ns)
{
    if (!text || (parse_duration(text, strlen(text), ns) && *ns > 0))
        return true;
    complain("--%s: got `%s', want a duration with its unit, such as 5s", name, text);
    return false;
}

static bool read_file(const char *path, struct stub *stub)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    size_t used = 0;
    if (good) {
        stub->body = take_memory(1, (size_t)status.st_size + 1);
        ssize_t got;
        while (used < (size_t)status.st_size && (got = read(fd, stub->body + used, (size_t)status.st_size - used)) > 0)
            used += (size_t)got;
        good = used == (size_t)status.st_size;
    }
    if (!good)
        complain("%s: %s", path, fd < 0 ? strerror(errno) : "want a file that can be read whole");
    if (fd >= 0)
        close(fd);
    stub->body_bytes = used;
    return good;
}

static bool header_is_good(const char *text)
{
    const char *colon = strchr(text, ':');
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at == 0x7f)
            return false;
    return colon && colon > text && strcspn(text, " \t") > (size_t)(colon - text);
}

static int read_numbers(const struct wishes *wishes, struct stub *stub, int64_t *every_ns)
{
    int64_t retry_after_ns = -NS_PER_S, max_bytes = (int64_t)stub->max_bytes;
    if (wishes->status < 200 || wishes->status > 599) {
        complain("--status: got %lld, want 200 to 599", (long long)wishes->status);
        return RESCTL_USAGE;
    }
    if (!read_duration("retry-after", wishes->retry_after, &retry_after_ns) ||
        !read_duration("timeout", wishes->timeout, &stub->timeout_ns) ||
        !read_duration("refresh", wishes->refresh, every_ns))
        return RESCTL_USAGE;
    if (wishes->max_bytes &&
        (!parse_size(wishes->max_bytes, strlen(wishes->max_bytes), &max_bytes) || max_bytes < 1024)) {
        complain("--max-bytes: got `%s', want a size of 1KB or more, such as 16MB", wishes->max_bytes);
        return RESCTL_USAGE;
    }
    stub->status = (unsigned)wishes->status;
    stub->retry_after_s = retry_after_ns < 0 ? -1 : (retry_after_ns + NS_PER_S - 1) / NS_PER_S; /* never too early */
    stub->max_bytes = (size_t)max_bytes;
    return RESCTL_OK;
}

static int read_texts(const struct wishes *wishes, struct stub *stub)
{
    if (!wishes->listen) {
        complain("want --listen ADDR:PORT or --listen unix:/PATH");
        return RESCTL_USAGE;
    }
    if ((wishes->cache == NULL) != (wishes->upstream == NULL) || (wishes->pages.count > 0 && !wishes->cache)) {
        complain("--cache DIR and --upstream ADDR:PORT belong together, and --page to them");
        return RESCTL_USAGE;
    }
    for (int i = 0; i < wishes->pages.count; i++)
        if (wishes->pages.item[i][0] != '/' || strpbrk(wishes->pages.item[i], " \t\r\n")) {
            complain("--page: got `%s', want a path that begins with /", wishes->pages.item[i]);
            return RESCTL_USAGE;
        }
    for (int i = 0; i < wishes->headers.count; i++)
        if (!header_is_good(wishes->headers.item[i])) {
            complain("--header: got `%s', want `NAME: VALUE'", wishes->headers.item[i]);
            return RESCTL_USAGE;
        }
    if (!header_is_good(wishes->type) && strpbrk(wishes->type, "\r\n")) {
        complain("--type: want one line");
        return RESCTL_USAGE;
    }
    stub->headers = wishes->headers;
    stub->type = wishes->type;
    stub->cache = wishes->cache;
    stub->upstream = wishes->upstream;
    return wishes->file && !read_file(wishes->file, stub) ? RESCTL_SYSTEM : RESCTL_OK;
}

static int open_places(const struct wishes *wishes, struct stub *stub, int *listener)
{
    char shown[DIAL_TEXT];
    const char *error;
    if (stub->cache && mkdir(stub->cache, 0700) != 0 && errno != EEXIST) {
        complain("%s: %s", stub->cache, strerror(errno));
        return RESCTL_SYSTEM;
    }
    if (wishes->spool && !spool_open(wishes->spool, SPOOL_WRITES, &stub->spool, &error)) {
        complain("%s: %s", wishes->spool, error);
        return stub->spool.dir >= 0 ? RESCTL_NO : RESCTL_SYSTEM;
    }
    stub->spools = wishes->spool != NULL;
    *listener = dial_listen(wishes->listen, shown, &error);
    if (*listener < 0) {
        complain("%s: %s", wishes->listen, error);
        return RESCTL_SYSTEM;
    }
    printf("listening on %s\n", shown);
    return finish_output();
}

int command_stub(const struct command *self, int argc, char **argv)
{
    struct wishes wishes = {.status = 0, .type = "text/plain"};
    struct stub stub = {.timeout_ns = 10 * NS_PER_S, .max_bytes = 16 << 20};
    int64_t every_ns = 60 * NS_PER_S;
    const struct option_row rows[] = {
        {"listen", 'l', OPTION_TEXT, &wishes.listen, "ADDR:PORT", "where, or unix:/PATH; port 0: a free one"},
        {"status", 's', OPTION_NUMBER, &wishes.status, "N", "the answer's status (503; 200 with --file)"},
        {"file", 'f', OPTION_TEXT, &wishes.file, "FILE", "the answer's body"},
        {"type", 't', OPTION_TEXT, &wishes.type, "TYPE", "its Content-Type (text/plain)"},
        {"retry-after", 'r', OPTION_TEXT, &wishes.retry_after, "D", "Retry-After of the answers that are errors"},
        {"header", 'H', OPTION_LIST, &wishes.headers, "'N: V'", "a header more; may stand several times"},
        {"cache", 0, OPTION_TEXT, &wishes.cache, "DIR", "serve GETs from the upstream, or else its last good answer"},
        {"upstream", 0, OPTION_TEXT, &wishes.upstream, "ADDR:PORT", "whose answers --cache keeps"},
        {"page", 0, OPTION_LIST, &wishes.pages, "PATH", "fetch this one by itself; may stand several times"},
        {"refresh", 0, OPTION_TEXT, &wishes.refresh, "D", "how often (60s)"},
        {"spool", 0, OPTION_TEXT, &wishes.spool, "DIR", "keep POST, PUT, PATCH, DELETE for `resctl replay'"},
        {"timeout", 0, OPTION_TEXT, &wishes.timeout, "D", "of a client, and of the upstream (10s)"},
        {"max-bytes", 0, OPTION_TEXT, &wishes.max_bytes, "SIZE", "the largest message (16MB)"},
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    const struct sigaction action = {.sa_handler = end};
    struct operands operands;
    int code, listener;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (wishes.status == 0)
        wishes.status = wishes.file ? 200 : 503;
    if ((code = read_numbers(&wishes, &stub, &every_ns)) != RESCTL_OK ||
        (code = read_texts(&wishes, &stub)) != RESCTL_OK)
        return code;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    hold_signals(SIG_BLOCK);
    if ((code = open_places(&wishes, &stub, &listener)) != RESCTL_OK)
        return code;
    code = serve(&stub, listener, &wishes.pages, every_ns);
    free(stub.body);
    return code;
}
