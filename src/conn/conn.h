/* SPDX-License-Identifier: MIT
 * The record of one tracked connection, and the table that finds it by descriptor.
 *
 * A record belongs to a socket, not to a descriptor: dup() makes a second descriptor of the same record.
 * Records live in chunks that are mapped when needed and never unmapped, so that a stale pointer is never
 * dangling; `state` changes only by compare-and-swap, so that of two threads (or a thread and a signal
 * handler, or a thread unwound by cancellation and the next user) exactly one does each transition and
 * reports it. Any thread; signal safe; allocates only by mapping a new chunk at connect().
 */
#ifndef RESIL_CONN_CONN_H
#define RESIL_CONN_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conn/account.h"
#include "conn/admit.h"
#include "conn/slots.h"
#include "policy/conf.h"
#include "policy/sniff.h"
#include "segment/gate.h"

/*   CONNECTING --> FRESH --> WAITING <--> ANSWERING --> ENDED
 *        |                      |             |
 *        +------> EXPIRED <-----+-------------+       EXPIRED --> DEAD                                       */
enum conn_state {
    CONN_FREE,       /* in the pool */
    CONN_CONNECTING, /* a connect is in flight */
    CONN_FRESH,      /* connected, not a byte yet */
    CONN_WAITING,    /* an exchange is open: no byte of the answer yet */
    CONN_ANSWERING,  /* the answer has begun, or nothing is asked */
    CONN_ENDED,      /* the peer or an error ended it: nothing more to judge */
    CONN_EXPIRED,    /* we ended it: `error` is to be reported once */
    CONN_DEAD        /* reported: ECONNRESET from here on */
};

enum { CURIOUS_JUDGE = 1, CURIOUS_REPLAY = 2 };

enum { UNUSUAL_ERROR = 1 /* pending_error */, UNUSUAL_CHAOS = 2 /* struck */ };

/* One direction of a connection that chaos strikes. */
enum flow_way { FLOW_IN, FLOW_OUT, FLOW_WAYS };
struct flow {
    _Atomic uint64_t open_ns; /* nothing passes before */
    _Atomic uint64_t moved;   /* bytes so far */
    _Atomic uint64_t piece;   /* number of the slice that passes */
    _Atomic uint64_t left;    /* what is left of it, 0 = it has not begun */
    _Atomic uint32_t over;    /* 1: nothing passes any more */
};

/* What a connect call holds across its attempts (order): then one attempt's failure neither tells the breaker nor frees
 * the slots. */
enum { OUTER_BREAKER = 1, OUTER_SLOTS = 2 };

struct conn {
    _Atomic uint32_t state;
    _Atomic uint32_t generation; /* moves when the record is taken and given back: a call that slept finds out */
    _Atomic uint32_t refs;       /* descriptors that name it */
    _Atomic uint32_t next_free;  /* pool: index + 1 */
    _Atomic int32_t fd;          /* one of its descriptors: where to shut down */
    uint64_t cookie;             /* SO_COOKIE: proves that the descriptor is still this socket */
    uint64_t end_ns;             /* of the connect call (timeout.total), 0 = none */
    bool is_unix;
    uint32_t row; /* the destination's */
    uint32_t endpoint;
    bool is_target;          /* endpoint is that of a fallback's target */
    bool relayed;            /* through `via`: that it is connected says nothing of the far side */
    const struct conf *conf; /* own: a later reload does not concern an open connection */
    bool listens; /* the server may speak first: a wait for its first byte is to be noticed; by record_begin() */
    struct sockaddr_storage asked; /* where the application wanted to go; asked_length 0: it is there */
    uint32_t asked_length;
    struct held held[SLOT_KINDS];
    uint32_t outer;                   /* OUTER_*: kept by the connect call when this attempt fails */
    uint32_t kept;                    /* enum outcome of that failure, for OUTER_BREAKER */
    struct admission admission;       /* of the connect, then of each exchange */
    _Atomic uint32_t admission_open;  /* 1: it still waits for its result */
    _Atomic uint64_t started_ns;      /* the connect, then the current exchange */
    _Atomic uint64_t deadline_ns;     /* when the present state expires, 0 = never */
    _Atomic uint64_t exchange_end_ns; /* timeout.exchange of the current exchange, 0 = none */
    _Atomic uint64_t look_ns;    /* somebody waits for the first byte: when to ask whether it is connected, 0 = no */
    _Atomic uint64_t slow_at_ns; /* when the call in flight counts as slow, 0 = never, or it did */
    _Atomic uint64_t parked_ns;  /* readiness is withheld until then, 0 = not */
    _Atomic int32_t error;       /* of EXPIRED */
    _Atomic uint32_t exchanges;  /* opened so far */
    _Atomic uint64_t exchange_bytes; /* written in this exchange */
    /* A connect call that goes on behind the application's back (conn/pending.h). */
    _Atomic uint32_t has_call; /* 1: call is kept */
    _Atomic uint32_t pending;  /* PENDING_*; who made it BUSY owns call */
    struct attempt call;       /* its copy of the rules is pinned by call.copy */
    /* Requests that may be sent again (conn/replay.h). Touched by the thread that writes and reads. */
    uint8_t *replay;      /* REPLAY_BYTES, NULL = none */
    uint32_t replay_used; /* bytes of the current request */
    /* Limits of exchanges (conn/pace.h). */
    uint32_t paced; /* PACE_* */
    struct account slot_account, rate_account;
    _Atomic uint64_t turn_ns;         /* a turn of the rate limiter that was promised, 0 = none */
    _Atomic uint64_t queued_until_ns; /* held[SLOT_EXCHANGE] is a place in the queue until then, 0 = it is not */
    _Atomic uint32_t turn_taken;      /* the exchange to come has its turn already */
    /* Judging answers (conn/judge.h). */
    _Atomic uint32_t curious;     /* CURIOUS_*: who wants to look at the next write */
    _Atomic uint32_t judging;     /* JUDGE_*: an answer has begun and awaits its verdict */
    _Atomic uint64_t answered_ns; /* its first byte */
    struct sniff sniff;           /* written by whoever writes the request, opens the exchange, or holds JUDGE_BUSY */
    /* Blocking mode and the kernel's own timeouts (conn/block.h). */
    _Atomic uint32_t blocking;
    _Atomic int64_t receive_limit_ns; /* the value of SO_RCVTIMEO that we set, 0 = the application's stands */
    _Atomic uint32_t receive_known;   /* app_receive_ns is valid */
    _Atomic int64_t app_receive_ns;   /* what the application set or would read back, 0 = none */
    bool write_limited;               /* TCP_USER_TIMEOUT is ours; the application reads back 0 */
    _Atomic uint32_t send_limited; /* SO_SNDTIMEO is ours: a connect blocks, or was left by a jump or a cancellation */
    _Atomic int64_t app_send_ns;   /* then: what the application set, 0 = none */
    _Atomic int32_t pending_error; /* seen by us while completing a read: the next call's */
    _Atomic uint32_t unusual;      /* UNUSUAL_*: a receive must look at more: one test for what is rare */
    /* Chaos (conn/inject.h, conn/flow.h): drawn before the connect. */
    uint64_t ordinal;              /* of this process's connections to the destination */
    uint64_t stream;               /* of random numbers */
    uint32_t struck;               /* bit i: fault i of the spec strikes */
    const struct faults *faults;   /* the spec, NULL = none */
    uint64_t chaos_began_ns;       /* when the spec began */
    struct flow flow[FLOW_WAYS];   /* written by whoever reads, or writes, the connection */
    _Atomic uint32_t told;         /* bit i: fault i has been counted */
    _Atomic uint32_t delayed;      /* FAULT_AT_*: which calls of the current exchange had their latency */
    _Atomic uint32_t tainted;      /* 1: the current exchange, or the connect, was delayed by us */
    _Atomic uint64_t withheld_ns;  /* until then what the kernel has is kept from the application, 0 = it is not */
    _Atomic uint64_t cut_ns;       /* when the connection is to be cut, 0 = never */
    _Atomic uint32_t cut_is_reset; /* by RST, else by its end */
    _Atomic uint32_t injected;     /* what happens next to this call is our own doing */
    _Atomic uint32_t own_shutdown; /* the application shut the reading side down itself */
    uint32_t inherited;            /* a forked child: the connection is its parent's to judge */
    _Atomic uint64_t seen_out;     /* bytes that passed the hooks (conn/coverage.h) */
    _Atomic uint64_t seen_in;
    /* Exec, spawn and descriptors that are passed on (conn/handover.h, conn/block.h). */
    _Atomic uint32_t lent;      /* 1: it was us who put the application's SO_RCVTIMEO back for somebody else */
    _Atomic uint32_t passed;    /* 1: named by the file actions of a spawn to come */
    _Atomic uint32_t suspended; /* 1: its slot was given back before an exec */
    uint32_t survives;          /* a descriptor of it stays open over the exec that is being tried */
    _Atomic uint64_t received;  /* bytes of the peer that somebody is known to have seen */
    _Atomic uint64_t acked;     /* bytes of ours that the peer had at the last look */
    _Atomic uint32_t closing;   /* its generation while the last descriptor is being closed, else 0 */
    _Atomic uint32_t closer;    /* the thread that closes it among a range, 0 = one that closes it alone */
    /* The one epoll registration that parking can take back and restore (conn/park.h). */
    _Atomic int32_t epoll_fd;     /* + 1; 0 = none, -1 = several, or of a kind that is not parked */
    _Atomic int32_t epoll_target; /* the descriptor that is registered: one of several of the socket */
    _Atomic uint32_t epoll_events;
    _Atomic uint64_t epoll_data;
    struct conf own; /* the values by which it was opened; without a text: those are offsets into the rules */
};

#define FD_CHUNK_BITS 10
#define FD_CHUNKS     1024
extern _Atomic(_Atomic uint32_t *) conn_fd_chunk[FD_CHUNKS];
struct conn *conn_at(uint32_t index_plus_1);

/* conn_named(index_plus_1): the record that the table names; NULL in a vfork child that has changed its descriptors:
 * there the table, which is its parent's, does not describe them. */
struct conn *conn_named(uint32_t index_plus_1);

/* conn_mark_astray(): a vfork child is about to change a tracked descriptor of its own. Noted for the thread, whose
 * memory it borrows: that asks for the process id at its next call, once. */
void conn_mark_astray(void);

/* conn_number(fd): its number in the table, 0 = fd is not tracked. The hot path of every hook: two loads. */
static inline uint32_t conn_number(int fd)
{
    uint32_t chunk = (uint32_t)fd >> FD_CHUNK_BITS;
    if (chunk >= FD_CHUNKS)
        return 0;
    _Atomic uint32_t *entries = atomic_load_explicit(&conn_fd_chunk[chunk], memory_order_acquire);
    if (__builtin_expect(entries == NULL, 1))
        return 0;
    return atomic_load_explicit(&entries[(uint32_t)fd & ((1u << FD_CHUNK_BITS) - 1)], memory_order_acquire);
}

/* conn_of(fd): the record, or NULL when fd is not tracked. A hook whose untracked path is hot asks for the number, and
 * calls a function of its own for the rest: a call in the hook itself would make it save registers. */
static inline struct conn *conn_of(int fd)
{
    uint32_t number = conn_number(fd);
    return __builtin_expect(number == 0, 1) ? NULL : conn_named(number);
}

/* conn_is_struck(conn): chaos has something to do with it. -DRESIL_WITHOUT_CHAOS makes a library without, for whoever
 * wants to compare. */
static inline bool conn_is_struck(const struct conn *conn)
{
#ifdef RESIL_WITHOUT_CHAOS
    (void)conn;
    return false;
#else
    return __builtin_expect(conn->struck != 0, 0);
#endif
}

/* conn_keep_error(conn, error): the next receive fails with it. conn_kept_error(conn): takes it; 0 = none. */
static inline void conn_keep_error(struct conn *conn, int error)
{
    atomic_store(&conn->pending_error, error);
    atomic_fetch_or(&conn->unusual, UNUSUAL_ERROR);
}

static inline int conn_kept_error(struct conn *conn)
{
    atomic_fetch_and(&conn->unusual, ~(uint32_t)UNUSUAL_ERROR);
    return atomic_exchange(&conn->pending_error, 0);
}

/* Number of records in use: 0 means that no wait has anything to watch. */
extern _Atomic uint32_t conn_live;

static inline enum conn_state conn_state(const struct conn *conn)
{
    return (enum conn_state)atomic_load_explicit(&conn->state, memory_order_acquire);
}

/* Records whose next wait has to look at the application's array: without a byte yet while the server may speak first,
 * or parked. */
extern _Atomic uint32_t conn_curious;

/* No byte yet: a wait for the first one may be of interest (conn->listens). */
static inline bool conn_is_new(enum conn_state state)
{
    return state == CONN_CONNECTING || state == CONN_FRESH;
}

/* conn_move(conn, from, to): the transition; false when somebody else moved first. */
static inline bool conn_move(struct conn *conn, enum conn_state from, enum conn_state to)
{
    uint32_t expected = from;
    if (!atomic_compare_exchange_strong_explicit(&conn->state, &expected, to, memory_order_acq_rel,
                                                 memory_order_acquire))
        return false;
    if (conn->listens && conn_is_new(from) != conn_is_new(to))
        atomic_fetch_add_explicit(&conn_curious, conn_is_new(to) ? 1 : -1u, memory_order_relaxed);
    return true;
}

/* conn_new(fd): a zeroed record with one reference, not yet in the table; NULL when the pool is full. */
struct conn *conn_new(int fd);
/* conn_install(conn, fd): fd names conn from now on. False without memory for the table. */
bool conn_install(struct conn *conn, int fd);
/* conn_alias(from, to): dup: both name the same record. `to` must not be tracked (conn_forget() it before). */
void conn_alias(int from, int to);
/* conn_take(fd): removes fd from the table and returns its record with the reference still counted. */
struct conn *conn_take(int fd);
/* conn_find_fd(conn): a descriptor that names it, -1 when there is none. Looks through the whole table. */
int conn_find_fd(const struct conn *conn);
/* conn_unref(conn): drops a reference. True when it was the last: the caller ends the record with conn_recycle(). */
bool conn_unref(struct conn *conn);
void conn_recycle(struct conn *conn);

/* conn_each(index): every record that may be in use, in turn: NULL at the end. Start with *index = 0. */
struct conn *conn_each(uint32_t *index);
/* conn_tracked_in(first, last): whether any descriptor of the range might be tracked: the next such one, or -1. */
int conn_next_tracked(unsigned first, unsigned last);

#endif
