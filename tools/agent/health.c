/* SPDX-License-Identifier: MIT
 * When to probe, and what to write of it. Whom to probe is in health_list.c. */
#include "health.h"

#include <stdlib.h>
#include <string.h>

#include "../checks.h"
#include "../print.h"
#include "base/clock.h"
#include "base/prng.h"
#include "health_list.h"
#include "policy/classify.h"
#include "policy/health.h"
#include "segment/gate.h"

#define RESCAN_NS 1000000000ull
#define SOON_NS   1000000000ull

static struct check *checks;
static struct loop_timer rescan;

/* ---- one check ------------------------------------------------------------------------------------ */

static uint64_t spread(const struct check *check, uint64_t now_ns)
{
    return prng_at(now_ns, check->row, check->agent->owner);
}

static void tell(const struct check *check, const struct health *from, const struct health *to)
{
    char safe[ESCAPED(SEG_NAME)], why[PROBE_TEXT];
    const struct seg_row *row = seg_row(&check->agent->segment, check->row);
    bool has_errno = to->finding == FINDING_CONNECT || to->finding == FINDING_SYSTEM;
    struct event event = {.kind = EVENT_HEALTH,
                          .row = check->row,
                          .from = from->state,
                          .to = to->state,
                          .reason = to->finding,
                          .error = has_errno ? to->detail & 0xffff : 0,
                          .count = 1,
                          .program = AGENT_PROGRAM};
    event_write(&check->agent->segment, &event);
    agent_say("%s %s is %s: %s", escape_text(safe, sizeof safe, row->name), check->label, health_names[to->state],
              probe_describe(to->finding, to->detail, why, sizeof why));
}

/* A fact that nobody believes any more is no fact to go on from. */
static struct health known(const struct check *check, const struct seg_row *row, uint64_t now_ns)
{
    uint64_t checked_ns = atomic_load(&row->checked_ns);
    return health_is_fresh(checked_ns, check->interval_ns, now_ns) ? health_unpack(atomic_load(&row->health))
                                                                   : (struct health){.state = HEALTH_UNKNOWN};
}

/* This host could not even ask: that says nothing of the endpoint. When it goes on, the fact gets old. */
static bool is_local(const struct check *check)
{
    const struct probe_result *result = &check->probe.result;
    bool is_unix = check->aim.addr.any.sa_family == AF_UNIX;
    return result->finding == FINDING_SYSTEM ||
           (result->finding == FINDING_CONNECT &&
            classify_connect((int)result->detail, is_unix) == OBSERVATION_LOCAL_ERROR);
}

static void complain_once(struct check *check, bool local)
{
    char why[PROBE_TEXT];
    if (local && !check->complained)
        agent_say("%s cannot be checked: %s", check->label,
                  probe_describe(check->probe.result.finding, check->probe.result.detail, why, sizeof why));
    check->complained = local;
}

static void note(struct check *check, uint64_t now_ns)
{
    struct seg_row *row = seg_row(&check->agent->segment, check->row);
    struct health before = known(check, row, now_ns), after = before;
    bool changed = health_step(&after, check->probe.result.finding == FINDING_OK, check->rise, check->fall);
    after.finding = check->probe.result.finding;
    after.detail = check->probe.result.detail;
    seg_count(row, after.finding == FINDING_OK ? COUNTER_checks_ok : COUNTER_checks_failed, 1);
    atomic_store(&row->health, health_pack(&after));
    if (row->kind == ROW_CHECK)
        checks_count(row, &check->probe.result);
    if (changed)
        atomic_store(&row->health_since_ns, now_ns);
    atomic_store_explicit(&row->checked_ns, now_ns, memory_order_release); /* last: nothing older counts as new */
    if (!changed)
        return;
    tell(check, &before, &after);
    struct gate gate = {
        .segment = &check->agent->segment, .row = check->row, .owner = check->agent->owner, .program = AGENT_PROGRAM};
    if (before.state == HEALTH_DOWN && row->kind != ROW_CHECK)
        gate_healthy(&gate, now_ns);
}

/* The descriptor may be another one after each step, under the same number: it is watched anew. */
static void go_on(struct check *check)
{
    struct loop *loop = &check->agent->loop;
    uint64_t now_ns = clock_now_ns();
    loop_forget(loop, &check->io);
    if (probe_step(&check->probe, now_ns)) {
        bool local = is_local(check);
        complain_once(check, local);
        if (!local && agent_is_active(check->agent))
            note(check, now_ns);
        check->next_ns += health_interval_ns(check->interval_ns, spread(check, now_ns));
        if (check->next_ns < now_ns) /* we were stopped: nothing is made up for */
            check->next_ns = now_ns;
        loop_arm(loop, &check->timer, check->next_ns);
        return;
    }
    check->io.fd = probe_fd(&check->probe);
    if (check->io.fd >= 0)
        loop_watch(loop, &check->io, (uint32_t)probe_events(&check->probe));
    loop_arm(loop, &check->timer, check->probe.deadline_ns);
}

static void ready(void *data, uint32_t events)
{
    (void)events;
    go_on(data);
}

static void begin_probe(struct check *check)
{
    if (check->aim.target.kind == PROBE_EXEC)
        setenv("RESIL_ENDPOINT", check->label, 1);
    probe_start(&check->probe, &check->aim, check->timeout_ns, clock_now_ns());
    unsetenv("RESIL_ENDPOINT");
}

static void due(void *data)
{
    struct check *check = data;
    if (!probe_running(&check->probe))
        begin_probe(check);
    go_on(check);
}

static void stop(struct check *check)
{
    loop_forget(&check->agent->loop, &check->io);
    loop_disarm(&check->agent->loop, &check->timer);
    probe_abort(&check->probe);
}

static void start(struct check *check)
{
    uint64_t now_ns = clock_now_ns();
    check->probe = PROBE_IDLE;
    check->io = (struct loop_io){.fd = -1, .ready = ready, .data = check};
    check->timer = (struct loop_timer){.fire = due, .data = check};
    /* Not all at once, and soon. */
    uint64_t tenth_ns = (uint64_t)check->interval_ns / 10;
    check->next_ns = now_ns + prng_below(spread(check, now_ns), (tenth_ns < SOON_NS ? tenth_ns : SOON_NS) + 1);
    loop_arm(&check->agent->loop, &check->timer, check->next_ns);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static struct check *find(const struct check *wanted)
{
    struct check *check = checks;
    while (check && check->row != wanted->row)
        check = check->next;
    return check;
}

/* What is checked already goes on in its rhythm; what is asked of it otherwise than before begins anew. */
static void take_over(struct check *wanted)
{
    struct check *old = find(wanted);
    if (old && health_list_same(old, wanted)) {
        old->wanted = true;
        free(wanted);
        return;
    }
    wanted->wanted = true;
    wanted->next = checks;
    checks = wanted;
    start(wanted);
}

static void drop_unwanted(void)
{
    for (struct check **at = &checks; *at;) {
        struct check *check = *at;
        if (check->wanted) {
            at = &check->next;
            continue;
        }
        *at = check->next;
        stop(check);
        free(check);
    }
}

static void reconcile(struct agent *agent)
{
    for (struct check *check = checks; check; check = check->next)
        check->wanted = false;
    bool grows = false;
    struct check *list = agent->rules ? health_list(agent, &grows) : NULL, *next;
    for (; list; list = next) {
        next = list->next;
        take_over(list);
    }
    drop_unwanted();
    if (grows)
        loop_arm(&agent->loop, &rescan, clock_now_ns() + RESCAN_NS);
    else
        loop_disarm(&agent->loop, &rescan);
}

static void look_again(void *data)
{
    reconcile(data);
}

static void begin(struct agent *agent)
{
    rescan = (struct loop_timer){.fire = look_again, .data = agent};
    reconcile(agent);
}

static void end(struct agent *agent)
{
    loop_disarm(&agent->loop, &rescan);
    for (struct check *check = checks; check; check = check->next)
        check->wanted = false;
    drop_unwanted();
}

const struct agent_part health_part = {.name = "health", .begin = begin, .rules = reconcile, .end = end};
