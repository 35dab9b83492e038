/* SPDX-License-Identifier: MIT
 * Which faults of a spec strike, and what they do to a connect. */
#include "conn/inject.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/pace.h"
#include "real/real.h"
#include "segment/events.h"
#include "tables/enums.h"

/* By destination, of this process alone: any thread adds. A page is used when a destination in it is struck. */
static _Atomic uint64_t connections[SEG_ROWS], lookups[SEG_ROWS];
static _Atomic uint32_t told_denied[SEG_ROWS];
static struct {
    _Atomic(const struct faults *) of; /* the spec that is counted: another one begins anew */
    _Atomic uint32_t struck[FAULTS_MAX];
} counts[INJECT_SOURCES][SEG_ROWS];

void inject_number(struct conn *conn)
{
    conn->ordinal = atomic_fetch_add(&connections[conn->row], 1);
}

static bool count_allows(enum inject_source source, uint32_t row, const struct faults *faults, uint32_t index)
{
    const struct faults *counted = atomic_load(&counts[source][row].of);
    if (faults->fault[index].count <= 0)
        return true;
    if (counted != faults && atomic_compare_exchange_strong(&counts[source][row].of, &counted, faults) && counted)
        for (uint32_t i = 0; i < FAULTS_MAX; i++)
            atomic_store(&counts[source][row].struck[i], 0);
    return atomic_fetch_add(&counts[source][row].struck[index], 1) < faults->fault[index].count;
}

static uint32_t hash_name(const char *name)
{
    uint32_t hash = 0x811c9dc5u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x01000193u; /* FNV-1a */
    return hash;
}

static bool is_meant(const struct fault *fault, const char *name)
{
    return (fault->target[0] == '\0' || strcmp(fault->target, name) == 0) &&
           (fault->app[0] == '\0' || text_glob(fault->app, host.program));
}

static uint32_t draw(const struct inject_call *call, enum inject_source source, const struct faults *faults,
                     uint64_t began_ns, bool of_lookups)
{
    uint64_t now_ns = clock_now_ns(), age_ns = now_ns > began_ns ? now_ns - began_ns : 0;
    uint64_t stream = fault_stream(host.chaos_seed, hash_name(call->name), call->ordinal);
    uint32_t struck = 0;
    for (uint32_t i = 0; i < faults->used; i++) {
        const struct fault *fault = &faults->fault[i];
        if ((fault->call == FAULT_AT_DNS) == of_lookups && is_meant(fault, call->name) &&
            fault_strikes(fault, stream, call->ordinal, i, age_ns) && count_allows(source, call->row, faults, i))
            struck |= 1u << i;
    }
    return struck;
}

void inject_draw(struct conn *conn, enum inject_source source, const struct faults *faults, const char *name,
                 uint64_t began_ns)
{
    const struct inject_call call = {name, conn->row, conn->ordinal};
    if (faults->used == 0)
        return;
    conn->faults = faults;
    conn->chaos_began_ns = began_ns;
    conn->stream = fault_stream(host.chaos_seed, hash_name(name), conn->ordinal);
    conn->struck = draw(&call, source, faults, began_ns, false);
    if (conn->struck == 0)
        return;
    atomic_fetch_or(&conn->unusual, UNUSUAL_CHAOS);
    conn->paced |= PACE_CHAOS;
}

void inject_number_lookup(struct inject_call *call)
{
    call->ordinal = atomic_fetch_add(&lookups[call->row], 1);
}

uint32_t inject_draw_lookup(const struct inject_call *call, enum inject_source source, const struct faults *faults,
                            uint64_t began_ns)
{
    return draw(call, source, faults, began_ns, true);
}

void inject_forget(struct conn *conn)
{
    conn->struck = 0;
    atomic_fetch_and(&conn->unusual, ~(uint32_t)UNUSUAL_CHAOS);
    conn->paced &= ~(uint32_t)PACE_CHAOS;
    memset((void *)conn->flow, 0, sizeof conn->flow);
    atomic_store(&conn->told, 0);
    atomic_store(&conn->delayed, 0);
    atomic_store(&conn->tainted, 0);
    atomic_store(&conn->withheld_ns, 0);
    atomic_store(&conn->cut_ns, 0);
}

void inject_denied(const struct conn *conn, const char *name)
{
    bool meant = false;
    for (uint32_t i = 0; i < host.faults.used; i++)
        meant |= is_meant(&host.faults.fault[i], name);
    if (!meant || atomic_exchange(&told_denied[conn->row], 1))
        return;
    struct event event = {.kind = EVENT_CHAOS_DENIED, .row = conn->row, .program = host.program};
    event_write(&host.segment, &event);
    host_log("%s: RESIL_CHAOS: chaos = deny; no fault is injected", name);
}

const struct fault *inject_fault(const struct conn *conn, uint32_t index)
{
    if (!(conn->struck & 1u << index))
        return NULL;
    const struct fault *fault = &conn->faults->fault[index];
    bool over = fault->for_ns > 0 && clock_now_ns() - conn->chaos_began_ns >= (uint64_t)fault->for_ns;
    return over ? NULL : fault;
}

void inject_count(const struct conn *conn)
{
    seg_count(seg_row(&host.segment, conn->endpoint), COUNTER_chaos_injected, 1);
}

static int error_of(const struct fault *fault)
{
    return fault->kind == FAULT_REFUSE ? ECONNREFUSED : fault->kind == FAULT_UNREACHABLE ? EHOSTUNREACH : fault->error;
}

struct inject_verdict inject_connect(struct conn *conn)
{
    struct inject_verdict verdict = {0};
    if (conn->struck == 0 || host_off())
        return verdict;
    for (uint32_t i = 0; i < conn->faults->used; i++) {
        const struct fault *fault = inject_fault(conn, i);
        if (!fault || fault->call != FAULT_AT_CONNECT)
            continue;
        inject_count(conn);
        atomic_store(&conn->tainted, 1);
        if (fault->kind == FAULT_LATENCY) {
            verdict.delay_ns += fault_delay_ns(fault, conn->stream, i, 0);
        } else if (fault->kind == FAULT_SLOW_ACCEPT) {
            verdict.late_ns += fault->delay_ns;
        } else if (fault->kind == FAULT_BLACKHOLE) {
            verdict.swallowed = true;
            return verdict;
        } else {
            verdict.error = error_of(fault);
            atomic_store(&conn->injected, 1);
            return verdict; /* the first that ends the call is the last that acts */
        }
    }
    return verdict;
}

void inject_delayed(struct conn *conn, uint64_t until_ns)
{
    atomic_store(&conn->tainted, 1);
    atomic_store(&conn->withheld_ns, until_ns);
}

bool inject_withholds(const struct conn *conn, uint64_t now_ns)
{
    return atomic_load_explicit(&conn->withheld_ns, memory_order_relaxed) > now_ns;
}

/* In slices: the operator may switch off what it waits for. */
static bool pause_until(uint64_t end_ns, bool restarts)
{
    const int64_t slice_ns = 250 * NS_PER_MS;
    int saved = errno;
    for (uint64_t now_ns = clock_now_ns(); now_ns < end_ns && !host_off(); now_ns = clock_now_ns()) {
        int64_t rest_ns = (int64_t)(end_ns - now_ns) < slice_ns ? (int64_t)(end_ns - now_ns) : slice_ns;
        struct timespec rest = {.tv_sec = (time_t)(rest_ns / NS_PER_S), .tv_nsec = (long)(rest_ns % NS_PER_S)};
        if (real.ppoll(NULL, 0, &rest, NULL) < 0 && errno == EINTR && !restarts && !kernel_signals_restart()) {
            errno = saved;
            return false;
        }
    }
    errno = saved;
    return true;
}

void inject_sleep(int64_t ns)
{
    pause_until(clock_now_ns() + (uint64_t)ns, true);
}

bool inject_pause(int64_t ns)
{
    return pause_until(clock_now_ns() + (uint64_t)ns, false);
}
