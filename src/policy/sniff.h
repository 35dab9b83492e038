/* SPDX-License-Identifier: MIT
 * What the first bytes of an answer say: key `sniff`, and fatal TLS alerts.
 *
 * One struct sniff for each connection. The owner calls sniff_request() with what the client writes (while it is
 * wanted), sniff_open() when an exchange opens, sniff_feed() with the bytes of its answer as they come, in pieces of
 * any size. At most SNIFF_BYTES are kept; of HTTP nothing is, its head passes through a state machine.
 *
 * Pure; any thread; signal safe; no allocation. Of two threads that call at once for one connection either verdict may
 * come out; no memory outside the struct is ever touched.
 */
#ifndef RESIL_POLICY_SNIFF_H
#define RESIL_POLICY_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/enums.h"

/* The words of the key in their order, and what a TLS handshake turns every protocol into. */
enum sniff_protocol {
    SNIFF_OFF,
    SNIFF_HTTP,
    SNIFF_REDIS,
    SNIFF_POSTGRES,
    SNIFF_MYSQL,
    SNIFF_SMTP,
    SNIFF_MEMCACHED,
    SNIFF_TLS
};

enum { SNIFF_BYTES = 64, SNIFF_HEAD_BYTES = 8192 };
#define SNIFF_MORE (-1)

struct sniff {
    uint8_t protocol; /* enum sniff_protocol */
    /* Of the connection. */
    uint8_t exchanges; /* opened, at most 2 */
    uint8_t upgrade;   /* PostgreSQL: enum upgrade, what the client asked for */
    bool closing;      /* the answer to this request is the last that can be read */
    bool last;         /* nothing after this answer can be read */
    /* Of the answer. */
    uint8_t used;
    uint8_t decided; /* its observation + 1, 0 = not yet */
    bool interim;    /* what came so far is not the answer yet */
    uint8_t stage;   /* HTTP: where in the head; enum http_stage */
    uint8_t at;      /* HTTP: place in the status line, or in the name of a field */
    uint16_t status;
    uint16_t head_bytes;
    uint32_t digits;
    uint32_t retry_after_s; /* Retry-After of a 429 or 503, 0 = none */
    uint8_t seen[SNIFF_BYTES];
};

/* sniff_start(sniff, protocol): a new connection. */
void sniff_start(struct sniff *sniff, enum sniff_protocol protocol);

/* sniff_request(sniff, bytes, length, fresh): the beginning of one write; fresh: nothing was written or read before.
 * True while later writes are wanted as well. */
bool sniff_request(struct sniff *sniff, const void *bytes, size_t length, bool fresh);

/* sniff_open(sniff): an exchange opens, its answer is to be judged. After a write that belongs to it. */
void sniff_open(struct sniff *sniff);

/* sniff_feed(sniff, bytes, length): the next bytes of the answer: SNIFF_MORE, or its enum observation: ANSWERED,
 * ANSWER_NEUTRAL, PROTOCOL_ERROR, OVERLOAD or TLS_ALERT. A verdict stands; further bytes of the same read may still
 * bring Retry-After while sniff_scans(). */
int sniff_feed(struct sniff *sniff, const void *bytes, size_t length);
bool sniff_scans(const struct sniff *sniff);

/* sniff_interim(sniff): the answer so far only asks the client to go on (HTTP 1xx, PostgreSQL's answer to SSLRequest):
 * the next exchange is the rest of this one. */
bool sniff_interim(const struct sniff *sniff);

/* sniff_cut(sniff): what an answer is that will never be complete. */
enum observation sniff_cut(const struct sniff *sniff);

/* sniff_http(sniff, bytes, length): HTTP/1's part of sniff_feed(). */
int sniff_http(struct sniff *sniff, const uint8_t *bytes, size_t length);

#endif
