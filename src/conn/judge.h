/* SPDX-License-Identifier: MIT
 * Judging answers by their first bytes: key `sniff`, and the fatal alert that answers a TLS handshake.
 *
 * An answer that is to be judged stays pending from its first byte (exchange_read()) until policy/sniff.c has a
 * verdict; the admission of the call stays open for as long, the latency ends at the first byte. The hooks show what
 * was written and read only while a record asks for it: one load and a branch otherwise.
 *
 * Whoever moves `judging` from PENDING owns the judgement: of two threads one feeds the bytes, and a close, a timeout
 * or the next request meanwhile settles it as a success. A thread that is unwound while it feeds leaves BUSY: the call
 * then ends without a result, and its lease with the connection. Any thread; signal safe; no system call; no errno.
 */
#ifndef RESIL_CONN_JUDGE_H
#define RESIL_CONN_JUDGE_H

#include <sys/uio.h>

#include "conn/conn.h"

enum { JUDGE_NOTHING, JUDGE_PENDING, JUDGE_BUSY };

/* judge_start(conn): a new record, before its connect. */
void judge_start(struct conn *conn);

/* judge_curious(conn): whether the next write is to be shown; judge_pending(conn): whether the bytes of a read are. */
static inline bool judge_curious(const struct conn *conn)
{
    return __builtin_expect(atomic_load_explicit(&conn->curious, memory_order_relaxed) != 0, 0);
}

static inline bool judge_pending(const struct conn *conn)
{
    return __builtin_expect(atomic_load_explicit(&conn->judging, memory_order_relaxed) != JUDGE_NOTHING, 0);
}

/* judge_request(conn, iov, count, bytes): a write that the kernel has taken `bytes` of; before exchange_wrote(). */
void judge_request(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes);

/* judge_open(conn): an exchange opens; after judge_request() of its first write. */
static inline void judge_open(struct conn *conn)
{
    if (conn->sniff.protocol != SNIFF_OFF)
        sniff_open(&conn->sniff);
}

/* judge_begin(conn, now_ns): the first byte of an answer has come. False: it is not to be judged. */
static inline bool judge_begin(struct conn *conn, uint64_t now_ns)
{
    if (conn->sniff.protocol == SNIFF_OFF)
        return false;
    atomic_store_explicit(&conn->answered_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&conn->judging, JUDGE_PENDING, memory_order_release);
    return true;
}

/* judge_answer(conn, iov, count, bytes): one read that brought `bytes`; after exchange_read(). iov NULL: they cannot be
 * seen, which is a success. */
void judge_answer(struct conn *conn, const struct iovec *iov, size_t count, size_t bytes);

/* judge_settle(conn, now_ns): nothing more comes: what is pending is a success. */
void judge_settle(struct conn *conn, uint64_t now_ns);

/* judge_continues(conn, now_ns): something is pending, and the client writes again. True when what is pending was not
 * the answer yet: its admission goes on; else it is settled. */
bool judge_continues(struct conn *conn, uint64_t now_ns);

#endif
