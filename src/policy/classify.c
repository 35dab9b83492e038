/* SPDX-License-Identifier: MIT
 * Classification at socket level, without knowledge of a protocol. */
#include "policy/classify.h"

#include <errno.h>

enum observation classify_connect(int error, bool is_unix)
{
    switch (error) {
    case 0:
        return OBSERVATION_CONNECTED;
    case ETIMEDOUT:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENONET:
    case ECONNRESET:
    case ECONNABORTED:
        return OBSERVATION_CONNECT_FAILED;
    case ENOENT: /* no server */
    case EAGAIN: /* its backlog is full */
        return is_unix ? OBSERVATION_CONNECT_FAILED : OBSERVATION_LOCAL_ERROR;
    default: /* EMFILE, EADDRNOTAVAIL, EACCES ...: says nothing about the backend */
        return OBSERVATION_LOCAL_ERROR;
    }
}

enum observation classify_exchange(int error, bool reused, uint64_t age_ns)
{
    if (reused && age_ns < STALE_GRACE_NS && (error == 0 || error == ECONNRESET || error == EPIPE))
        return OBSERVATION_STALE;
    return error == 0 ? OBSERVATION_EMPTY_RESPONSE : OBSERVATION_RESET;
}

enum observation classify_abandoned(const struct conf *conf, int64_t response_ns, uint64_t age_ns)
{
    int64_t patience_ns = conf->breaker_slow_time_ns > 0 ? conf->breaker_slow_time_ns : response_ns;
    bool slow = patience_ns > 0 && age_ns >= (uint64_t)patience_ns;
    return slow ? OBSERVATION_ABANDONED_SLOW : OBSERVATION_ABANDONED;
}

enum outcome classify_outcome(const struct conf *conf, enum observation observation)
{
    int64_t bit = (int64_t)1 << observation;
    if (conf->breaker_ignore & bit)
        return OUTCOME_IGNORED;
    if (conf->breaker_failure_on & bit)
        return OUTCOME_FAILURE;
    return observation_outcome(observation);
}

enum outcome observation_outcome(enum observation observation)
{
    static const unsigned char outcomes[OBSERVATION_COUNT] = {
#define OBSERVATION(id, name, outcome, counter, sum) OUTCOME_##outcome,
#include "tables/observations.tbl.h"
    };
    return (enum outcome)outcomes[observation];
}
