/* SPDX-License-Identifier: MIT
 * The course of a probe: look the name up, connect, send, read; or wait for a child. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "probe_ask.h"
#include "base/clock.h"

static bool finish(struct probe *probe, enum finding finding, uint32_t detail, uint64_t now_ns)
{
    probe_abort(probe);
    probe->result.finding = finding;
    probe->result.detail = detail;
    probe->result.latency_us = (now_ns - probe->started_ns) / (uint64_t)NS_PER_US;
    return true;
}

static void set_unix(struct probe_aim *aim, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&aim->addr;
    size_t length = strlen(path);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    aim->addr_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    if (path[0] == '@') { /* an abstract name has no NUL at its end */
        un->sun_path[0] = '\0';
        aim->addr_bytes--;
    }
}

static bool set_literal(struct probe_aim *aim)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&aim->addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&aim->addr;
    if (inet_pton(AF_INET, aim->target.host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(aim->target.port);
        aim->addr_bytes = sizeof *in;
    } else if (inet_pton(AF_INET6, aim->target.host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(aim->target.port);
        aim->addr_bytes = sizeof *in6;
    }
    return aim->addr_bytes != 0;
}

void probe_aim_at(struct probe_aim *aim, const struct target *target)
{
    *aim = (struct probe_aim){.target = *target};
    if (target->host[0])
        set_literal(aim);
    else if (target->kind != PROBE_EXEC && target->kind != PROBE_MEMORY)
        set_unix(aim, target->text);
}

/* ---- the lookup, in a child: answers are written as whole addresses; an error as one with the family AF_UNSPEC */

static void look_up(void *context, int output)
{
    const struct target *target = context;
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    snprintf(port, sizeof port, "%u", target->port);
    int error = getaddrinfo(target->host, port, &hints, &list);
    union probe_address record = {.any.sa_family = AF_UNSPEC};
    if (error) {
        ((struct sockaddr_in *)(void *)&record)->sin_addr.s_addr = (uint32_t)-error;
        error = write(output, &record, sizeof record) < 0;
        return;
    }
    unsigned count = 0;
    for (struct addrinfo *at = list; at && count < PROBE_ADDRESSES; at = at->ai_next, count++) {
        memset(&record, 0, sizeof record);
        memcpy(&record, at->ai_addr, at->ai_addrlen);
        if (write(output, &record, sizeof record) < 0)
            return;
    }
}

static bool start_lookup(struct probe *probe, uint64_t now_ns)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return finish(probe, FINDING_SYSTEM, (uint32_t)errno, now_ns);
    struct child_plan plan = {.run = look_up, .context = (void *)&probe->aim->target, .input = -1, .output = ends[1]};
    pid_t pid = child_start(&plan);
    close(ends[1]);
    probe->fd = ends[0];
    if (pid < 0)
        return finish(probe, FINDING_SYSTEM, (uint32_t)-pid, now_ns);
    probe->child = pid;
    probe->step = PROBE_STEP_LOOKUP;
    return false;
}

static void close_fd(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void end_child(struct probe *probe)
{
    if (probe->child > 0)
        child_kill(probe->child);
    probe->child = 0;
}

/* ---- the connection */

static socklen_t address_bytes(const union probe_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void prepare_request(struct probe *probe)
{
    probe->used = probe_request(&probe->aim->target, probe->buffer, sizeof probe->buffer);
    probe->sent = 0;
    probe->step = PROBE_STEP_SEND;
}

static int connect_to(struct probe *probe, const union probe_address *address, socklen_t bytes)
{
    probe->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0)
        return errno;
    return connect(probe->fd, &address->any, bytes) == 0 ? 0 : errno;
}

/* Tries the next address; those before it failed with `error`. */
static bool connect_next(struct probe *probe, int error, uint64_t now_ns)
{
    bool fixed = probe->aim->addr_bytes != 0;
    unsigned count = fixed ? 1 : probe->addresses;
    while (probe->next_address < count) {
        const union probe_address *address = fixed ? &probe->aim->addr : &probe->address[probe->next_address];
        socklen_t bytes = fixed ? probe->aim->addr_bytes : address_bytes(address);
        probe->next_address++;
        close_fd(probe);
        error = connect_to(probe, address, bytes);
        if (error == 0) {
            prepare_request(probe);
            return false;
        }
        if (error == EINPROGRESS) {
            probe->step = PROBE_STEP_CONNECT;
            return false;
        }
    }
    return finish(probe, FINDING_CONNECT, (uint32_t)error, now_ns);
}

/* The pipe holds whole records: each is smaller than PIPE_BUF. */
static bool step_lookup(struct probe *probe, uint64_t now_ns)
{
    for (;;) {
        union probe_address record;
        ssize_t got = read(probe->fd, &record, sizeof record);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (got != (ssize_t)sizeof record)
            break;
        if (record.any.sa_family == AF_UNSPEC)
            return finish(probe, FINDING_LOOKUP, ((struct sockaddr_in *)(void *)&record)->sin_addr.s_addr, now_ns);
        if (probe->addresses < PROBE_ADDRESSES)
            probe->address[probe->addresses++] = record;
    }
    end_child(probe);
    if (probe->addresses == 0)
        return finish(probe, FINDING_LOOKUP, (uint32_t)-EAI_NONAME, now_ns);
    return connect_next(probe, 0, now_ns);
}

static bool step_connect(struct probe *probe, uint64_t now_ns)
{
    struct pollfd pollfd = {.fd = probe->fd, .events = POLLOUT};
    int error = 0;
    socklen_t bytes = sizeof error;
    if (poll(&pollfd, 1, 0) <= 0)
        return false;
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error)
        return connect_next(probe, error, now_ns);
    prepare_request(probe);
    return false;
}

static bool step_send(struct probe *probe, uint64_t now_ns)
{
    while (probe->sent < probe->used) {
        ssize_t sent = send(probe->fd, probe->buffer + probe->sent, probe->used - probe->sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (sent <= 0)
            return finish(probe, FINDING_CLOSED, 0, now_ns);
        probe->sent += (size_t)sent;
    }
    if (probe->used == 0)
        return finish(probe, FINDING_OK, 0, now_ns);
    probe->used = 0;
    probe->step = PROBE_STEP_READ;
    return false;
}

static bool step_read(struct probe *probe, uint64_t now_ns)
{
    struct probe_result result = {.finding = FINDING_NONE};
    for (;;) {
        ssize_t got = recv(probe->fd, probe->buffer + probe->used, sizeof probe->buffer - probe->used, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (got <= 0)
            return finish(probe, probe->used ? FINDING_ANSWER : FINDING_CLOSED, 0, now_ns);
        probe->used += (size_t)got;
        if (probe_judge(probe->aim->target.kind, probe->buffer, probe->used, &result))
            return finish(probe, result.finding, result.detail, now_ns);
        if (probe->used == sizeof probe->buffer)
            return finish(probe, FINDING_ANSWER, 0, now_ns);
    }
}

/* ---- a command */

static bool start_command(struct probe *probe, uint64_t now_ns)
{
    struct child_plan plan = {.command = probe->aim->target.text, .input = -1, .output = -1};
    pid_t pid = child_start(&plan);
    if (pid < 0)
        return finish(probe, FINDING_SYSTEM, (uint32_t)-pid, now_ns);
    probe->child = pid;
    probe->step = PROBE_STEP_CHILD;
    int watch = child_watch(pid);
    if (watch < 0)
        return finish(probe, FINDING_SYSTEM, (uint32_t)-watch, now_ns);
    probe->fd = watch;
    return false;
}

static bool step_child(struct probe *probe, uint64_t now_ns)
{
    int status;
    if (!child_ended(probe->child, &status))
        return false;
    kill(-probe->child, SIGKILL); /* what it left behind in its group */
    probe->child = 0;
    if (WIFSIGNALED(status))
        return finish(probe, FINDING_SIGNAL, (uint32_t)WTERMSIG(status), now_ns);
    uint32_t code = (uint32_t)WEXITSTATUS(status);
    return finish(probe, code ? FINDING_EXIT : FINDING_OK, code, now_ns);
}

/* ---- from outside */

void probe_start(struct probe *probe, const struct probe_aim *aim, uint64_t timeout_ns, uint64_t now_ns)
{
    *probe = PROBE_IDLE;
    probe->aim = aim;
    probe->started_ns = now_ns;
    probe->deadline_ns = now_ns + timeout_ns;
    if (aim->target.kind == PROBE_MEMORY) {
        struct probe_result result = {.finding = FINDING_NONE};
        probe_memory(aim->target.limit_ppm, &result);
        finish(probe, result.finding, result.detail, now_ns);
    } else if (aim->target.kind == PROBE_EXEC) {
        start_command(probe, now_ns);
    } else if (aim->addr_bytes == 0) {
        start_lookup(probe, now_ns);
    } else {
        connect_next(probe, 0, now_ns);
    }
}

static bool step_once(struct probe *probe, uint64_t now_ns)
{
    switch (probe->step) {
    case PROBE_STEP_LOOKUP:
        return step_lookup(probe, now_ns);
    case PROBE_STEP_CONNECT:
        return step_connect(probe, now_ns);
    case PROBE_STEP_SEND:
        return step_send(probe, now_ns);
    case PROBE_STEP_READ:
        return step_read(probe, now_ns);
    case PROBE_STEP_CHILD:
        return step_child(probe, now_ns);
    case PROBE_STEP_DONE:
        break;
    }
    return true;
}

bool probe_step(struct probe *probe, uint64_t now_ns)
{
    enum probe_step before;
    do { /* each step that is done leads to the next at once */
        before = probe->step;
        if (step_once(probe, now_ns))
            return true;
    } while (probe->step != before);
    if (now_ns < probe->deadline_ns)
        return false;
    return finish(probe, FINDING_TIMEOUT, (uint32_t)((now_ns - probe->started_ns) / (uint64_t)NS_PER_MS), now_ns);
}

short probe_events(const struct probe *probe)
{
    return probe->step == PROBE_STEP_CONNECT || probe->step == PROBE_STEP_SEND ? POLLOUT : POLLIN;
}

void probe_abort(struct probe *probe)
{
    close_fd(probe);
    end_child(probe);
    probe->step = PROBE_STEP_DONE;
}

static void describe_sqlstate(uint32_t packed, char *out)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    out[5] = '\0';
    for (unsigned at = 5; at-- > 0; packed /= 36)
        out[at] = digits[packed % 36];
}

const char *probe_describe(uint32_t finding, uint32_t detail, char *out, size_t size)
{
    char state[8];
    switch (finding) {
    case FINDING_LOOKUP:
        snprintf(out, size, "lookup failed: %s", gai_strerror(-(int)(detail & 0xffff)));
        break;
    case FINDING_CONNECT:
    case FINDING_SYSTEM:
        snprintf(out, size, "%s", strerror((int)(detail & 0xffff)));
        break;
    case FINDING_TIMEOUT:
        snprintf(out, size, "no answer within %u ms", detail);
        break;
    case FINDING_CLOSED:
        snprintf(out, size, "closed without an answer");
        break;
    case FINDING_ANSWER:
        snprintf(out, size, "the answer is not of that protocol");
        break;
    case FINDING_HTTP_STATUS:
        snprintf(out, size, "HTTP %u", detail);
        break;
    case FINDING_REFUSES:
        describe_sqlstate(detail, state);
        snprintf(out, size, "takes no sessions: SQLSTATE %s", state);
        break;
    case FINDING_NOT_READY:
        snprintf(out, size, "answers, but is not ready");
        break;
    case FINDING_EXIT:
        snprintf(out, size, "exit status %u", detail);
        break;
    case FINDING_SIGNAL:
        snprintf(out, size, "killed by signal %u", detail);
        break;
    case FINDING_MEMORY:
        snprintf(out, size, "%u%% of memory in use", detail);
        break;
    default:
        snprintf(out, size, "%s", finding < FINDING_COUNT ? finding_names[finding] : "unknown");
    }
    return out;
}
