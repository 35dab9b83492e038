/* SPDX-License-Identifier: MIT
 * One health probe: tcp, http, redis, postgres, exec or memory. Never waits: a loop of the caller's polls
 * probe_fd() for probe_events(), and calls probe_step() when it is ready or deadline_ns has come.
 *
 *     struct probe probe = PROBE_IDLE;
 *     probe_start(&probe, &aim, timeout_ns, clock_now_ns());
 *     while (!probe_step(&probe, clock_now_ns()))
 *         poll probe_fd(&probe) for probe_events(&probe), until probe.deadline_ns at the latest;
 *     probe.result
 *
 * Owns a descriptor and a child process while it runs; both are gone when probe_step() has returned true or
 * after probe_abort(). The descriptor may be another one after each probe_step(). Children (commands, and the lookup
 * of names, which libc can only do waiting) are waited for by their pid: the caller must not reap them. One thread.
 *
 * tcp       up when the connection is established
 * http      up when GET is answered by a status from 200 to 399
 * redis     up when PING is answered by +PONG, or by a demand for a password: it serves
 * postgres  as pg_isready: up when the start of a session is answered, unless the server says that it cannot take
 *           sessions now (SQLSTATE 57P03) or has too many (53300)
 * exec      up when the command (of /bin/sh -c) ends with status 0; it is killed with its process group at the deadline
 * memory    up while the share of memory in use, of the machine or of our control group, is below the limit
 */
#ifndef RESCTL_AGENT_PROBE_H
#define RESCTL_AGENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/target.h"

enum { PROBE_BUFFER = 1024, PROBE_ADDRESSES = 8, PROBE_TEXT = 128 };

union probe_address {
    struct sockaddr any;
    struct sockaddr_storage room;
};

/* What is probed. addr_bytes 0: target.host is to be looked up, or there is nothing to connect to. */
struct probe_aim {
    struct target target;
    union probe_address addr;
    socklen_t addr_bytes;
};

/* probe_aim_at(aim, target): target's own address, where it is written as one. */
void probe_aim_at(struct probe_aim *aim, const struct target *target);

struct probe_result {
    enum finding finding; /* FINDING_OK: up */
    uint32_t detail;      /* see tables/findings.tbl.h */
    uint64_t latency_us;
};

enum probe_step {
    PROBE_STEP_DONE,
    PROBE_STEP_LOOKUP,
    PROBE_STEP_CONNECT,
    PROBE_STEP_SEND,
    PROBE_STEP_READ,
    PROBE_STEP_CHILD
};

struct probe {
    const struct probe_aim *aim; /* the caller's, while it runs */
    enum probe_step step;
    int fd;
    pid_t child; /* 0: none */
    uint64_t started_ns, deadline_ns;
    struct probe_result result;
    union probe_address address[PROBE_ADDRESSES]; /* that the lookup gave */
    unsigned addresses, next_address;
    size_t used, sent;
    char buffer[PROBE_BUFFER]; /* what is sent, then what came */
};

#define PROBE_IDLE ((struct probe){.step = PROBE_STEP_DONE, .fd = -1})

void probe_start(struct probe *probe, const struct probe_aim *aim, uint64_t timeout_ns, uint64_t now_ns);

/* probe_step(probe, now_ns): goes on as far as it can without waiting. True: it is over, and result tells. */
bool probe_step(struct probe *probe, uint64_t now_ns);

static inline bool probe_running(const struct probe *probe)
{
    return probe->step != PROBE_STEP_DONE;
}

/* -1 while nothing is to be polled. */
static inline int probe_fd(const struct probe *probe)
{
    return probe->fd;
}

/* POLLIN or POLLOUT. */
short probe_events(const struct probe *probe);

/* probe_abort(probe): ends it without a result. */
void probe_abort(struct probe *probe);

/* probe_describe(finding, detail, out, size): a few words, "ok", "HTTP 503", "connection refused"; returns out. Takes
 * any numbers: they may come from a segment. */
const char *probe_describe(uint32_t finding, uint32_t detail, char *out, size_t size);

#endif
