/* SPDX-License-Identifier: MIT
 * Carrying out what policy/fault.c drew. */
#include "conn/inject.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "conn/host.h"
#include "conn/track.h"
#include "real/real.h"
#include "tables/enums.h"

static _Atomic int64_t strikes[FAULTS_MAX]; /* of the process's own spec, for count= */

static bool count_allows(const struct faults *faults, uint32_t index)
{
    int64_t limit = faults->fault[index].count;
    if (limit <= 0)
        return true;
    return atomic_fetch_add(&strikes[index], 1) < limit;
}

void inject_draw(struct conn *conn, const struct faults *faults, const char *name)
{
    conn->faults = faults;
    conn->struck = 0;
    for (uint32_t i = 0; i < faults->used; i++) {
        const struct fault *fault = &faults->fault[i];
        bool meant = fault->target[0] == '\0' || strcmp(fault->target, name) == 0;
        if (meant && fault_strikes(fault, host.chaos_seed, conn->ordinal, i) && count_allows(faults, i))
            conn->struck |= 1u << i;
    }
}

static void count_injected(struct conn *conn)
{
    seg_count(seg_row(&host.segment, conn->endpoint), COUNTER_chaos_injected, 1);
}

static struct inject_verdict delay(struct conn *conn, const struct fault *fault, uint32_t call)
{
    uint32_t done = atomic_fetch_or(&conn->delayed, call);
    if (done & call)
        return (struct inject_verdict){.act = INJECT_NOTHING};
    uint64_t exchange = call == FAULT_AT_CONNECT ? 0 : atomic_load(&conn->exchanges) + 1;
    count_injected(conn);
    return (struct inject_verdict){
        .act = INJECT_DELAY,
        .delay_ns = fault_delay_ns(fault, host.chaos_seed, conn->ordinal, exchange),
    };
}

static struct inject_verdict error(struct conn *conn, int number)
{
    count_injected(conn);
    atomic_store(&conn->injected, 1);
    return (struct inject_verdict){.act = INJECT_ERROR, .error = number};
}

struct inject_verdict inject_at(struct conn *conn, uint32_t call)
{
    struct inject_verdict verdict = {.act = INJECT_NOTHING};
    if (conn->struck == 0 || host_off())
        return verdict;
    for (uint32_t i = 0; i < conn->faults->used; i++) {
        const struct fault *fault = &conn->faults->fault[i];
        if (!(conn->struck & 1u << i) || fault->call != call)
            continue;
        if (fault->kind == FAULT_REFUSE)
            return error(conn, ECONNREFUSED);
        if (fault->kind == FAULT_ERROR)
            return error(conn, fault->error);
        if (fault->kind == FAULT_LATENCY && verdict.act == INJECT_NOTHING)
            verdict = delay(conn, fault, call);
    }
    return verdict;
}

void inject_wrote(struct conn *conn, int fd)
{
    if (conn->struck == 0 || host_off())
        return;
    for (uint32_t i = 0; i < conn->faults->used; i++) {
        const struct fault *fault = &conn->faults->fault[i];
        if (!(conn->struck & 1u << i) || fault->kind != FAULT_RESET)
            continue;
        conn->struck &= ~(1u << i);
        count_injected(conn);
        if (fault->delay_ns > 0)
            track_reset_after(conn, clock_now_ns() + (uint64_t)fault->delay_ns);
        else
            track_reset(conn, fd);
    }
}

void inject_sleep(int64_t ns)
{
    int saved = errno;
    uint64_t end_ns = clock_now_ns() + (uint64_t)ns;
    for (uint64_t now_ns = clock_now_ns(); now_ns < end_ns; now_ns = clock_now_ns()) {
        int64_t rest_ns = (int64_t)(end_ns - now_ns);
        struct timespec rest = {.tv_sec = (time_t)(rest_ns / NS_PER_S), .tv_nsec = (long)(rest_ns % NS_PER_S)};
        real.ppoll(NULL, 0, &rest, NULL);
    }
    errno = saved;
}
