/* SPDX-License-Identifier: MIT
 * Records of attempts. */
#include "conn/record.h"

#include <string.h>

#include "conn/attempt.h"
#include "conn/deadline.h"
#include "conn/exchange.h"
#include "conn/host.h"
#include "conn/inject.h"
#include "conn/judge.h"
#include "conn/pace.h"
#include "conn/replay.h"
#include "conn/timer.h"

static void draw_faults(struct conn *conn, const struct attempt *attempt)
{
    /* The destination's own faults are not its fallback's: that is how a fallback is tried out. */
    bool named = attempt->rules && attempt->destination != &admit_chaos_destination;
    const char *spec = named ? rules_text(attempt->rules, attempt->destination->conf.chaos) : "";
    if (host.disabled & DISABLE_CHAOS)
        return;
    inject_number(conn);
    if (strcmp(spec, "deny") == 0) {
        inject_denied(conn, attempt->name);
        return;
    }
    inject_draw(conn, INJECT_OWN, &host.faults, attempt->target ? "" : attempt->name, host.chaos_began_ns);
    bool own = *spec && !conn->struck && !attempt->target;
    const struct faults *faults = own ? host_rule_faults(attempt->rules, attempt->index) : NULL;
    if (faults)
        inject_draw(conn, INJECT_RULES, faults, attempt->name, host_rules_began_ns(attempt->chaos_wall_ns));
}

void record_draw(struct conn *conn, const struct attempt *attempt)
{
    inject_forget(conn);
    draw_faults(conn, attempt);
}

static void keep_asked(struct conn *conn, const struct attempt *attempt)
{
    conn->is_target = attempt->target > 0;
    conn->relayed = attempt->relayed;
    conn->asked_length = attempt->steered || conn->relayed || conn->is_target ? attempt->asked_length : 0;
    memcpy(&conn->asked, &attempt->asked, conn->asked_length);
}

struct conn *record_new(const struct attempt *attempt)
{
    struct conn *conn = conn_new(attempt->fd);
    if (!conn || !conn_install(conn, attempt->fd)) {
        if (conn)
            conn_recycle(conn);
        atomic_fetch_add(&seg_header(&host.segment)->dropped, 1);
        return NULL;
    }
    conn->cookie = attempt->cookie;
    conn->end_ns = attempt->end_ns;
    conn->is_unix = attempt->to.family == AF_UNIX;
    keep_asked(conn, attempt);
    conn->row = attempt->row;
    conn->endpoint = attempt->endpoint;
    conn->own = attempt->destination->conf;
    conn->conf = &conn->own;
    judge_start(conn);
    replay_start(conn, attempt);
    atomic_store(&conn->blocking, attempt->blocking);
    atomic_store(&conn->started_ns, attempt->now_ns);
    atomic_store(&conn->state, CONN_CONNECTING);
    if (!attempt->target)
        pace_open(conn, attempt->name);
    draw_faults(conn, attempt);
    deadline_note(conn->conf);
    return conn;
}

/* In state CONNECTING; another attempt may go to an endpoint of which something else is known. */
static void set_listens(struct conn *conn, bool listens)
{
    if (conn->listens != listens)
        atomic_fetch_add(&conn_curious, listens ? 1 : -1u);
    conn->listens = listens;
}

void record_begin(struct conn *conn, struct attempt *attempt)
{
    memcpy(conn->held, attempt->held, sizeof conn->held);
    memset(attempt->held, 0, sizeof attempt->held);
    conn->endpoint = attempt->endpoint;
    conn->end_ns = attempt->end_ns;
    keep_asked(conn, attempt);
    if (attempt->target)
        conn->paced = 0;
    set_listens(conn, exchange_may_be_greeted(conn));
    conn->admission = attempt->admission;
    attempt->admission.lease = 0;
    conn->outer = attempt->outer;
    atomic_store(&conn->started_ns, attempt->now_ns);
    atomic_store(&conn->admission_open, 1);
    if (conn->conf->breaker_success_on == SUCCESS_ON_CONNECT)
        timer_slow(conn, attempt->now_ns);
    seg_count(seg_row(&host.segment, attempt->endpoint), COUNTER_attempts, 1);
}

void record_keep(struct conn *conn, struct attempt *attempt)
{
    if ((conn->outer & OUTER_BREAKER) && atomic_exchange(&conn->admission_open, 0)) {
        attempt->admission = conn->admission;
        attempt->kept = (enum outcome)conn->kept;
        attempt->has_admission = true;
    }
    if (conn->outer & OUTER_SLOTS) {
        memcpy(attempt->held, conn->held, sizeof attempt->held);
        memset(conn->held, 0, sizeof conn->held);
        attempt->has_slots = true;
    }
}

int64_t record_limit_ns(const struct conn *conn)
{
    const struct conf *conf = conn->conf;
    int64_t limit = timer_connect_ns(conn);
    uint64_t end_ns = conn->end_ns, started_ns = atomic_load(&conn->started_ns);
    if (end_ns) {
        int64_t rest_ns = end_ns > started_ns ? (int64_t)(end_ns - started_ns) : 1;
        limit = limit <= 0 || rest_ns < limit ? rest_ns : limit;
    }
    return conf->mode == MODE_ENFORCE && !(host.disabled & DISABLE_TIMEOUT) ? limit : 0;
}
