/* SPDX-License-Identifier: MIT
 * Which requests may be sent twice (retry.replay = idempotent): those whose protocol says that repeating them changes
 * nothing (RFC 9110 section 9.2.2 for HTTP; Redis commands that only read). Pure; any thread; signal safe. */
#ifndef RESIL_POLICY_REPLAY_H
#define RESIL_POLICY_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLAY_BYTES = 65536 };

/* replay_allowed(bytes, length): whether these bytes, all that was written since the last answer, are one or more whole
 * requests that may be repeated on another connection. */
bool replay_allowed(const uint8_t *bytes, size_t length);

/* replay_binds(bytes, length): whether the request may have given its connection a state that another one would not
 * have (Redis: SELECT, AUTH, MULTI ...): whatever comes later on it must not be repeated elsewhere. */
bool replay_binds(const uint8_t *bytes, size_t length);

/* replay_status(bytes, length): the status of an HTTP/1 answer that begins with these bytes, 0 when it does not. */
int replay_status(const uint8_t *bytes, size_t length);

#endif
