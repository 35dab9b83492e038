/* SPDX-License-Identifier: MIT
 * The names behind chaos_errno(), for suggestions. */
#ifndef RESIL_CONFIG_ERRNOS_H
#define RESIL_CONFIG_ERRNOS_H

struct chaos_errno {
    const char *name;
    int error;
};

extern const struct chaos_errno chaos_errnos[]; /* ends with a NULL name */

#endif
