/* SPDX-License-Identifier: MIT
 * Judging answers. */
#include "conn/judge.h"

#include <string.h>

#include "base/clock.h"
#include "conn/observe.h"

void judge_start(struct conn *conn)
{
    sniff_start(&conn->sniff, (enum sniff_protocol)conn->conf->sniff);
    /* The first write of any connection may begin a TLS handshake. */
    atomic_store_explicit(&conn->judging, JUDGE_NOTHING, memory_order_relaxed);
    if (conn->conf->first_byte != FIRST_BYTE_NONE)
        atomic_fetch_or_explicit(&conn->curious, CURIOUS_JUDGE, memory_order_relaxed);
}

/* The beginning of a vector in one piece; *length is how much there is. */
static const void *gather(const struct iovec *iov, size_t count, size_t bytes, uint8_t *room, size_t *length)
{
    if (count > 0 && iov[0].iov_len >= bytes) {
        *length = bytes;
        return iov[0].iov_base;
    }
    *length = 0;
    for (size_t i = 0; i < count && bytes > 0 && *length < SNIFF_BYTES; i++) {
        size_t take = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;
        take = take < SNIFF_BYTES - *length ? take : SNIFF_BYTES - *length;
        memcpy(room + *length, iov[i].iov_base, take);
        *length += take;
        bytes -= take;
    }
    return room;
}

void judge_request(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes)
{
    uint8_t room[SNIFF_BYTES];
    size_t length;
    const void *begin = gather(iov, count, bytes, room, &length);
    bool fresh = conn_state(conn) < CONN_ANSWERING && atomic_load(&conn->exchange_bytes) == 0 &&
                 atomic_load(&conn->exchanges) <= 1;
    if (!sniff_request(&conn->sniff, begin, length, fresh))
        atomic_fetch_and_explicit(&conn->curious, ~(uint32_t)CURIOUS_JUDGE, memory_order_relaxed);
}

static bool take(struct conn *conn, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&conn->judging, &from, to);
}

static void decide(struct conn *conn, enum observation observation, uint64_t now_ns)
{
    uint64_t retry_after_ns = (uint64_t)conn->sniff.retry_after_s * (uint64_t)NS_PER_S;
    observe_answer(conn, observation, atomic_load_explicit(&conn->answered_ns, memory_order_relaxed), now_ns,
                   retry_after_ns);
}

void judge_answer(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes)
{
    int verdict = SNIFF_MORE;
    if (!iov) {
        judge_settle(conn, clock_now_ns());
        return;
    }
    if (!take(conn, JUDGE_PENDING, JUDGE_BUSY))
        return;
    for (size_t i = 0; i < count && bytes > 0 && (verdict == SNIFF_MORE || sniff_scans(&conn->sniff)); i++) {
        size_t length = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;
        verdict = sniff_feed(&conn->sniff, iov[i].iov_base, length);
        bytes -= length;
    }
    if (verdict == SNIFF_MORE)
        take(conn, JUDGE_BUSY, JUDGE_PENDING);
    else if (take(conn, JUDGE_BUSY, JUDGE_NOTHING))
        decide(conn, (enum observation)verdict, clock_now_ns());
}

void judge_settle(struct conn *conn, uint64_t now_ns)
{
    if (judge_pending(conn) && take(conn, JUDGE_PENDING, JUDGE_NOTHING))
        decide(conn, sniff_cut(&conn->sniff), now_ns);
}

bool judge_continues(struct conn *conn, uint64_t now_ns)
{
    if (!sniff_interim(&conn->sniff) || !take(conn, JUDGE_PENDING, JUDGE_NOTHING)) {
        judge_settle(conn, now_ns);
        return false;
    }
    observe_count(conn, OBSERVATION_ANSWER_NEUTRAL);
    return true;
}
