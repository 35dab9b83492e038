/* SPDX-License-Identifier: MIT
 * A directory of requests that wait for their delivery, in order. Owns nothing else; no daemon.
 *
 *     NNNNNNNNNNNNNNNNNNNN.req    waits; the number is its place
 *     NNNNNNNNNNNNNNNNNNNN.sent   may have been sent: its outcome is not recorded yet
 *     refused/                    requests that the receiver does not want: never sent again
 *     tmp/                        requests that are being written: nobody was told that they are kept
 *     stub.lock order.lock replay.lock
 *
 * Every step is one rename or unlink, and the directory is synced before the next one: whoever is killed, or loses its
 * power, between any two instructions leaves each request in exactly one of these places. */
#ifndef RESCTL_SPOOL_H
#define RESCTL_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool {
    int dir;
    int lock;                 /* the writer's or the deliverer's, held until the process and its children end */
    _Atomic uint64_t *newest; /* shared with children; written under order.lock */
};

enum spool_role { SPOOL_WRITES, SPOOL_DELIVERS };

/* spool_open(path, role, spool, error): makes the directory where it is missing (mode 0700) if it is to be written to.
 * One writer (with its children) and one deliverer at a time. False with *error. */
bool spool_open(const char *path, enum spool_role role, struct spool *spool, const char **error);

/* spool_put(spool, bytes, length): true when the request is on the disk and has its place. Any child of the writer. */
bool spool_put(const struct spool *spool, const void *bytes, size_t length);

/* What waits, oldest first. */
struct spool_item {
    uint64_t number;
    bool sent; /* its delivery was begun before */
};

/* spool_list(spool, items, count): to be freed by free(). False when the directory cannot be read. */
bool spool_list(const struct spool *spool, struct spool_item **items, size_t *count);

/* spool_read(spool, item, bytes, length): the request, to be freed; false with errno. */
bool spool_read(const struct spool *spool, const struct spool_item *item, char **bytes, size_t *length);

/* Steps of a delivery; each is on the disk when it returns true. spool_begin(): before the first byte is sent.
 * spool_done(): it has been delivered. spool_refuse(): it never will be. */
bool spool_begin(const struct spool *spool, struct spool_item *item);
bool spool_done(const struct spool *spool, const struct spool_item *item);
bool spool_refuse(const struct spool *spool, const struct spool_item *item);

#endif
