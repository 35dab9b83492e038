/* SPDX-License-Identifier: MIT
 * What attempts and exchanges teach: learned timeouts, the adaptive limit. Any thread; signal safe; no system call; no
 * errno. */
#ifndef RESIL_CONN_SAMPLE_H
#define RESIL_CONN_SAMPLE_H

#include "conn/conn.h"
#include "segment/learn.h"

void sample_adapt(const struct conn *conn, enum observation observation, uint64_t now_ns);
void sample_learn(const struct conn *conn, enum observation observation, uint64_t now_ns);

/* sample_take(conn, observation, now_ns): the attempt or exchange that began at conn->started_ns ends so. Costs some
 * predictable branches where nothing is learned. */
static inline void sample_take(const struct conn *conn, enum observation observation, uint64_t now_ns)
{
    const struct conf *conf = conn->conf;
    if (__builtin_expect(conn->is_target, 0))
        return; /* says nothing of the destination */
    bool of_connect = observation == OBSERVATION_CONNECTED || observation == OBSERVATION_CONNECT_TIMEOUT;
    if (of_connect ? learn_key(conf, LEARN_CONNECT) != CONF_OFF : timeout_is_auto(conf->timeout_response_ns))
        sample_learn(conn, observation, now_ns);
    if (__builtin_expect(conf->bulkhead_adaptive != ADAPTIVE_OFF, 0))
        sample_adapt(conn, observation, now_ns);
}

#endif
