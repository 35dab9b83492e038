/* SPDX-License-Identifier: MIT
 * From observations to samples. */
#include "conn/sample.h"

#include "conn/timer.h"
#include "segment/limit.h"

static void learn(const struct conn *conn, enum learn_kind kind, uint64_t age_ns, bool timed_out)
{
    int64_t key = learn_key(conn->conf, kind);
    if (key != CONF_OFF)
        learn_add(seg_row(&host.segment, conn->row), kind, key, age_ns, timed_out);
}

/* What timed out took at least as long as it was waited for: without these, a backend that became slower would be cut
 * off for ever. One that timeout.total cut short says nothing. */
void sample_learn(const struct conn *conn, enum observation observation, uint64_t now_ns)
{
    uint64_t age_ns = now_ns - atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    switch (observation) {
    case OBSERVATION_CONNECTED:
        learn(conn, LEARN_CONNECT, age_ns, false);
        break;
    case OBSERVATION_CONNECT_TIMEOUT:
        if (age_ns >= (uint64_t)timer_connect_ns(conn))
            learn(conn, LEARN_CONNECT, age_ns, true);
        break;
    case OBSERVATION_ANSWERED:
    case OBSERVATION_ANSWER_NEUTRAL:
    case OBSERVATION_PROTOCOL_ERROR:
    case OBSERVATION_OVERLOAD:
    case OBSERVATION_RESPONSE_TIMEOUT:
        learn(conn, LEARN_RESPONSE, age_ns, observation == OBSERVATION_RESPONSE_TIMEOUT);
        break;
    default: /* no latency */
        break;
    }
}

/* Where the slots are counted that the limit limits. */
static const struct seg_row *account_of(const struct conn *conn)
{
    const struct held *share = &conn->held[SLOT_SHARE];
    if (conn->slot_account.segment)
        return seg_row(conn->slot_account.segment, conn->slot_account.row);
    return share->segment ? seg_row(share->segment, share->row) : seg_row(&host.segment, conn->row);
}

/* The latency is that of an answer, or of the connect where connecting is all that counts; a drop is a call that waited
 * in vain, or whose answer asks for less. A failure says nothing of how many the backend can serve. */
void sample_adapt(const struct conn *conn, enum observation observation, uint64_t now_ns)
{
    const struct conf *conf = conn->conf;
    bool by_connect = conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE;
    bool dropped = false;
    switch (observation) {
    case OBSERVATION_CONNECTED:
        if (!by_connect)
            return;
        break;
    case OBSERVATION_ANSWERED:
    case OBSERVATION_ANSWER_NEUTRAL:
    case OBSERVATION_PROTOCOL_ERROR:
        if (by_connect)
            return;
        break;
    case OBSERVATION_CONNECT_TIMEOUT:
    case OBSERVATION_RESPONSE_TIMEOUT:
    case OBSERVATION_IDLE_TIMEOUT:
    case OBSERVATION_EXCHANGE_TIMEOUT:
    case OBSERVATION_ABANDONED_SLOW:
    case OBSERVATION_OVERLOAD:
        dropped = true;
        break;
    default:
        return;
    }
    uint64_t started_ns = atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    limit_sample(seg_row(&host.segment, conn->row), account_of(conn), conf, started_ns, dropped, now_ns);
}
