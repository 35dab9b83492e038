/* SPDX-License-Identifier: MIT
 * What stands behind the '=' of a fault, by the kinds of the table. Pure; any thread; signal safe; never allocates. */
#ifndef RESIL_CONFIG_CHAOS_ARGUMENTS_H
#define RESIL_CONFIG_CHAOS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/lexer.h"
#include "policy/fault.h"

enum argument {
    ARGUMENT_NONE,
    ARGUMENT_ERRNO,
    ARGUMENT_DURATION,
    ARGUMENT_AFTER,
    ARGUMENT_TIME,
    ARGUMENT_RATE,
    ARGUMENT_SLICE,
    ARGUMENT_BYTES,
    ARGUMENT_SHARE,
    ARGUMENT_DNS
};

/* Where the message goes. */
struct complaint {
    char *text;
    size_t size;
};

/* chaos_wrong(complaint, got, want, nearest): "COLUMN: got `X', want Y"; always false, for `return chaos_wrong(...)`.
 * nearest may be NULL. */
bool chaos_wrong(const struct complaint *complaint, struct slice got, const char *want, const char *nearest);

/* chaos_delay(complaint, text, ns): a duration up to 24h. */
bool chaos_delay(const struct complaint *complaint, struct slice text, int64_t *ns);

/* chaos_argument(complaint, kind, whole, text, fault): text is what stands behind '=', its pointer NULL when there is
 * no '='; whole: the fault with it. */
bool chaos_argument(const struct complaint *complaint, enum argument kind, struct slice whole, struct slice text,
                    struct fault *fault);

#endif
