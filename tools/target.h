/* SPDX-License-Identifier: MIT
 * What a program may connect to, as a user writes it: "HOST:PORT", "ADDR:PORT", "[V6]:PORT", "unix:/PATH",
 * "unix:@NAME". */
#ifndef RESCTL_TARGET_H
#define RESCTL_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "config/match.h"

enum { TARGET_TEXT = 256, TARGET_ADDRESSES = 16 };

struct target {
    char text[TARGET_TEXT];   /* the name or the path, "" of a literal address */
    struct match_query query; /* its name and path point into text; family 0: a name whose address is not known */
    struct {
        int family;
        uint8_t addr[16];
    } address[TARGET_ADDRESSES]; /* what a name was resolved to; the first is that of the query */
    unsigned addresses;
};

/* target_read(text, target, want, size): false with what is wanted instead of it. Program and uid are left to the
 * caller.
 */
bool target_read(const char *text, struct target *target, char *want, size_t size);

/* target_place(target, address): `address', as text, is the one that the name was resolved to. False: it is none. */
bool target_place(struct target *target, const char *address);

/* target_resolve(target): asks the system's resolver; false when it has no answer. */
bool target_resolve(struct target *target);

/* target_choose(target, index): makes address[index] that of the query. */
void target_choose(struct target *target, unsigned index);

/* pattern_text(rules, match, out, size): a pattern of `match =' as it could have been written; returns out. */
char *pattern_text(const struct rules *rules, const struct rule_match *match, char *out, size_t size);

#endif
