/* SPDX-License-Identifier: MIT
 * What the library knows of the process it lives in: its settings, its segment, its rules.
 *
 * Written by the constructor (settings), by the one thread that attaches at the first stream connect or
 * lookup, and by the child's fork handler. Everything else only reads.
 */
#ifndef RESIL_CONN_HOST_H
#define RESIL_CONN_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conn/copies.h"
#include "policy/fault.h"
#include "segment/segment.h"

/* What RESIL_DISABLE can switch off one by one; DISABLE_EXEC (conn/envp.h) is no pattern. */
enum {
    DISABLE_BREAKER = 1,
    DISABLE_BULKHEAD = 2,
    DISABLE_TIMEOUT = 4,
    DISABLE_CHAOS = 8,
    DISABLE_RETRY = 16,
    DISABLE_RATE = 32,
    DISABLE_ALL = 63,
    DISABLE_EXEC = 64
};

enum { HOST_TEXT = 4096, HOST_PROGRAM = 64 };

/* Who does what only one thread may do, so that the others find out when it will never end: the thread died, or left it
 * by a long jump out of a signal handler. Written by whoever takes the turn. */
struct host_turn {
    _Atomic uint32_t tid; /* 0 = nobody */
    _Atomic uintptr_t frame;
    _Atomic uint64_t since_ns;
};

struct host {
    /* Settings: written by the constructor only. */
    bool inert;        /* AT_SECURE, RESIL_DISABLE=all: nothing is ever tracked */
    uint32_t disabled; /* DISABLE_* */
    char program[HOST_PROGRAM];
    struct faults faults; /* RESIL_CHAOS */
    uint64_t chaos_seed;
    uint64_t chaos_began_ns; /* of RESIL_CHAOS */
    int64_t priority;        /* RESIL_PRIORITY, -1 = the destination's */
    char *config_env, *rules_env, *segment_env, *xdg_env, *home_env, *log_env; /* copies, NULL when unset */

    /* Attachment. */
    _Atomic uint32_t attach_state; /* enum attach_state */
    struct host_turn attaching;
    struct segment segment;
    _Atomic(const struct rules *) rules; /* private copy (conn/copies.h); NULL = none */
    _Atomic uint64_t rules_generation;   /* of the copy */
    struct host_turn refreshing;
    _Atomic uint32_t
        rules_move; /* 1: the rules were not the same all the time: those of an open connection may be old */
    bool resumed;   /* by the joining thread: another program of this process had entered before */
    _Atomic uint32_t pid;
    struct host_turn joining;      /* to enter the registry */
    _Atomic uint32_t owner;        /* 0: not entered, join at the next decision */
    _Atomic uint32_t parent_owner; /* of the process that forked this one */
};

extern struct host host;

enum attach_state { ATTACH_NONE, ATTACH_BUSY, ATTACH_READY, ATTACH_FAILED };

/* host_init(argv0, environment): the constructor's part. Reads the environment once; raw system calls only. */
void host_init(const char *argv0, char **environment);

/* host_attach(): true when the segment and this process's entry in it are usable. The first call maps, and may
 * create and compile; later calls cost a load. While another thread attaches, waits for it at most 100 ms. */
bool host_attach(void);

/* host_rules(): the current rules, copied anew after a reload; NULL when there are none. After host_attach(). */
const struct rules *host_rules(void);

/* host_live(rules): what is laid over rules that host_rules() returned; NULL = nothing. */
const struct live *host_live(const struct rules *rules);

/* host_effective(rules, destination, now_ns): the rules that hold the destination as it is at this moment, and its
 * index in them: others than those given while somebody has set a value of it (resctl set). */
const struct rules *host_effective(const struct rules *rules, uint32_t *destination, uint64_t now_ns);

/* host_chaos_wall_ns(rules, destination, now_ns): of the same: when its faults were set, 0 = they are the file's. */
uint64_t host_chaos_wall_ns(const struct rules *rules, uint32_t destination, uint64_t now_ns);

/* host_current_conf(row, conf): what the destination at that row is told now; conf, of its rules at some time before,
 * when there is nothing newer. For what follows the rules while a connection is open: the size of its bulkhead. */
const struct conf *host_current_conf(uint32_t row, const struct conf *conf);

/* The row of each destination of these rules (ROW_NONE = not looked up yet): a table behind the copy. */
_Atomic uint32_t *host_rule_rows(const struct rules *rules);

/* The row of each of a destination's endpoints (ROW_NONE = not looked up yet), likewise. */
_Atomic uint32_t *host_endpoint_rows(const struct rules *rules, const struct rule_destination *destination);

/* The maglev table of a destination (policy/balance.h), filled at the first use in pages of its own: only a program
 * that meets balance = maglev has one. NULL without a primary endpoint, or without memory. */
const uint8_t *host_maglev(const struct rules *rules, uint32_t destination);

/* Where its pointer stands. */
_Atomic(uint8_t *) *host_maglev_slot(const struct rules *rules, uint32_t destination);

/* The bytes behind a copy of that many bytes of rules that these tables take. */
size_t host_tables_bytes(size_t rules_bytes);

/* The faults of a destination's `chaos =`, parsed at the first use; NULL when it has none. A text is
 * parsed once in the life of the process, so that its counts (count=) go on when the rules are published anew.
 * host_rules_began_ns(wall_ns): when they began: what host_chaos_wall_ns() said, 0 = when the rules were loaded. */
const struct faults *host_rule_faults(const struct rules *rules, uint32_t destination);
uint64_t host_rules_began_ns(uint64_t wall_ns);

/* host_off(): the operator's kill switch. Any time. */
bool host_off(void);

/* host_turn_take(turn): true when the turn is the caller's now; host_turn_end() ends it. */
bool host_turn_take(struct host_turn *turn);
void host_turn_end(struct host_turn *turn);

/* host_after_fork(): in the child. */
void host_after_fork(void);

/* host_log(...): a line to RESIL_LOG ("stderr" or a file), nothing without it. Signal safe. */
void host_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
