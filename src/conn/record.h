/* SPDX-License-Identifier: MIT
 * From an admitted attempt to the record of its connection, and back when it failed. Any thread; signal safe. */
#ifndef RESIL_CONN_RECORD_H
#define RESIL_CONN_RECORD_H

#include "conn/conn.h"

/* record_new(attempt): a record in state CONNECTING that knows whose it is; NULL without memory (counted). */
struct conn *record_new(const struct attempt *attempt);

/* record_draw(conn, attempt): a further attempt on the same record: another connection as far as chaos is concerned. */
void record_draw(struct conn *conn, const struct attempt *attempt);

/* record_begin(conn, attempt): the attempt begins now: admission and slots are the record's from here on. */
void record_begin(struct conn *conn, struct attempt *attempt);

/* record_keep(conn, attempt): the attempt failed; what the call keeps for its next one (order) is the attempt's again.
 */
void record_keep(struct conn *conn, struct attempt *attempt);

/* record_limit_ns(conn): what the connect may last from its start; 0 = no limit. */
int64_t record_limit_ns(const struct conn *conn);

#endif
