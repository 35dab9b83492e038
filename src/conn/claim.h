/* SPDX-License-Identifier: MIT
 * The slots that an attempt has to have before it may connect. Any thread; signal safe; a blocking call may sleep. */
#ifndef RESIL_CONN_CLAIM_H
#define RESIL_CONN_CLAIM_H

#include "conn/admit.h"

/* claim_slots(attempt, waited): takes what attempt->held lacks. WAIT (only where attempt->blocking is false): the call
 * has a place in a queue, and is to ask again at attempt->wait_until_ns. *waited: it did, so that the breaker must be
 * asked again. */
enum verdict claim_slots(struct attempt *attempt, bool *waited);

#endif
