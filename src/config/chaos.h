/* SPDX-License-Identifier: MIT
 * The chaos grammar: "[DEST: ]FAULT[=ARG] [P%] [ATTRS]; ...".
 *
 *   refuse | unreachable | error=ERRNO[@connect|@read|@write] | latency=D[~SPREAD][@connect|@read|@write]
 *   blackhole[@connect|@read] | slow_accept=D | reset[=AFTER] | timeout=D | bandwidth=64KB/s | slice=1..16[:DELAY]
 *   limit=BYTES | half_close | slow_close=D | corrupt=1/1000 | dns=fail|empty|delay:D
 *   ATTRS: count=N after=N for=D dir=down|up app=GLOB          DEST is a name followed by a colon and a blank
 *
 * Used for RESIL_CHAOS, for `chaos =` and by resctl. Never allocates; any thread; signal safe.
 */
#ifndef RESIL_CONFIG_CHAOS_H
#define RESIL_CONFIG_CHAOS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/fault.h"

/* chaos_parse(text, out, error, size): false with "COLUMN: got `X', want Y" in error (column from 1)
 * when the spec is not legal; then *out is empty. An empty text is legal and holds no fault. */
bool chaos_parse(const char *text, struct faults *out, char *error, size_t size);

/* errno names: "ECONNREFUSED" -> number, -1 when unknown or not one that a socket call may return; and back
 * ("E<number>" never: NULL when unknown). */
int chaos_errno(const char *name, size_t length);
const char *chaos_errno_name(int error);

#endif
