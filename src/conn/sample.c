/* SPDX-License-Identifier: MIT
 * From observations to samples. */
#include "conn/sample.h"

#include "conn/timer.h"

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
