/* SPDX-License-Identifier: MIT
 * Choosing one of several endpoints, as pure steps over plain data.
 *
 * The caller describes every endpoint by a struct balance_host and itself by a struct balance_call; nothing here
 * remembers anything. What strategies share between processes is one counter (the number of the pick) and, for
 * least_time, one word for each endpoint (balance_ewma_add()).
 *
 * Smooth weighted round robin (nginx) is a fixed sequence once the weights are: balance_cycle() writes it down, and the
 * n-th pick looks it up. Where the cycle is too long for that, or weights change while an endpoint warms up, the n-th
 * pick is computed by virtual deadlines (stride scheduling, Waldspurger and Weihl, 1995): token k of an endpoint of
 * weight w is due at (k + 1/2) / w, and picks go through all tokens by their time. When endpoints are passed over, both
 * go through what is left, so that the others keep their proportions.
 *
 * All functions: pure, any thread, signal safe, no allocation.
 */
#ifndef RESIL_POLICY_BALANCE_H
#define RESIL_POLICY_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "tables/enums.h"

enum {
    BALANCE_HOSTS = 256,        /* endpoints of one destination: an index fits into a byte */
    BALANCE_WEIGHT_MAX = 1000,  /* of one endpoint */
    BALANCE_CYCLE = 4096,       /* the longest sequence that is written down */
    BALANCE_WHOLE_SHARE = 1000, /* of an endpoint that is not warming up */
    BALANCE_TABLE = 65537       /* entries of the maglev table: a prime */
};

enum balance_state {
    BALANCE_READY, /* its breaker would admit a call, or a probe */
    BALANCE_OPEN,  /* its breaker is open and its time not over: passed over within breaker.max_eject */
    BALANCE_SHUT,  /* by the operator (forced open, draining): never picked, not in a panic either */
    BALANCE_OUT    /* no candidate at all: the socket cannot reach its family */
};

struct balance_host {
    uint64_t load;   /* least_conn, p2c: open connections; least_time: balance_cost() */
    uint16_t weight; /* 1..BALANCE_WEIGHT_MAX */
    uint16_t share;  /* balance_share(): slow start */
    uint8_t state;   /* enum balance_state */
    uint8_t backup;  /* 1: picked only when no other may be */
    uint8_t tried;   /* 1: this connect call was there already: others are preferred */
    uint8_t down;    /* 1: active checks say so: not picked as long as another one is up */
};

/* One tier's sequence by balance_cycle(); length 0: not written down. */
struct balance_sequence {
    const uint8_t *at;
    uint32_t length;
};

struct balance_call {
    int64_t strategy; /* BALANCE_* of policy/conf.h */
    int64_t max_eject_ppm;
    int64_t panic_ppm;                   /* CONF_OFF: never */
    struct balance_sequence sequence[2]; /* of the primaries, of the backups */
    const uint8_t *table;                /* maglev's, over the primaries; NULL: none */
    uint32_t table_size;
    uint64_t number; /* of the pick, over all processes: round_robin, weighted, ties of least_conn */
    uint64_t random; /* random, p2c, least_time */
    uint64_t key;    /* hash of who asks: ip_hash, maglev, by_key */
    uint32_t kept;   /* the endpoint to keep while it may be picked; BALANCE_HOSTS: none */
    bool by_key;     /* the key decides, whatever the strategy (balance.affinity) */
    bool insist;     /* breakers are ignored */
};

struct balance_choice {
    enum verdict verdict; /* ADMIT, BREAKER_OPEN (all are open or shut), NO_ENDPOINT (there is no candidate) */
    uint32_t index;       /* with ADMIT */
    bool insist;          /* its breaker is to be ignored: max_eject or panic */
};

/* balance_pick(host, count, call): the choice among count <= BALANCE_HOSTS endpoints. When all that the operator left
 * are down, none counts as down: the checks may be wrong, or nothing is lost (Envoy's panic). */
struct balance_choice balance_pick(const struct balance_host *host, uint32_t count, const struct balance_call *call);

/* balance_cycle(weight, member, count, out): smooth weighted round robin over the endpoints whose member byte is 1, as
 * indices in the order of their turns. Returns the length (sum of weights by their greatest common divisor), 0 when
 * it is longer than BALANCE_CYCLE or there is no member. */
uint32_t balance_cycle(const uint16_t *weight, const uint8_t *member, uint32_t count, uint8_t out[BALANCE_CYCLE]);

/* balance_stride(weight, count, number): the pick of that number by virtual deadlines; a weight of 0 takes no part.
 * BALANCE_HOSTS when all weights are 0. Weights up to 10^6. */
uint32_t balance_stride(const uint32_t *weight, uint32_t count, uint64_t number);

/* balance_hash(bytes, length): the hash of an endpoint's text, and of who asks. */
uint64_t balance_hash(const void *bytes, uint64_t length);

/* balance_maglev(weight, hash, count, table, size, taken): fills a table of a prime size > 2 (Eisenbud et al.,
 * "Maglev", 2016, with weights as Envoy has them): an endpoint of hash h visits the places h1 + k x h2, each endpoint
 * takes its next free one in turn, as often as its weight says. A weight of 0 takes no part; all 0 leaves the table
 * alone. taken: scratch of size / 8 + 1 zeroed bytes. */
void balance_maglev(const uint16_t *weight, const uint64_t *hash, uint32_t count, uint8_t *table, uint32_t size,
                    uint8_t *taken);

/* balance_share(window_ns, up_since_ns, now_ns): slow start as Envoy has it: max(10%, time up / window) in thousandths;
 * BALANCE_WHOLE_SHARE when the window is off or up_since_ns is 0. */
uint16_t balance_share(int64_t window_ns, uint64_t up_since_ns, uint64_t now_ns);

/* The peak EWMA of a latency (Finagle): a sample above it replaces it, others pull it down with e^(-dt/10s). The word
 * is {latency in 64 ns:32, time in ms:32}, 0 = nothing known. balance_ewma_ns(word, now_ns): the latency by now: it
 * decays while nothing is measured, so that a slow endpoint is tried again. */
uint64_t balance_ewma_add(uint64_t word, uint64_t latency_ns, uint64_t now_ns);
uint64_t balance_ewma_ns(uint64_t word, uint64_t now_ns);

/* balance_cost(ewma_ns, connections): latency x (connections + 1). An endpoint of unknown latency is tried at once, but
 * not twice before the first answer. */
uint64_t balance_cost(uint64_t ewma_ns, uint64_t connections);

#endif
