/* SPDX-License-Identifier: MIT
 * One item of `endpoints =`: its text -> the fields of struct rule_endpoint. */
#ifndef RESIL_CONFIG_ENDPOINT_H
#define RESIL_CONFIG_ENDPOINT_H

#include "config/arena.h"
#include "config/lexer.h"
#include "config/rules.h"

struct endpoint {
    struct rule_endpoint rule; /* without text, which only the emitter knows */
    const char *text;          /* as written, without weight and backup: in the arena */
    struct endpoint *next;
};

/* What is wrong with it: the part, and what should stand there. */
struct endpoint_error {
    struct slice got;
    const char *want;
};

/* endpoint_parse(arena, text, out, error): ADDR:PORT | [V6]:PORT | unix:/PATH | unix:@NAME, then weight=N and backup
 * behind blanks. v4-mapped addresses become IPv4 ones. */
bool endpoint_parse(struct arena *arena, struct slice text, struct endpoint *out, struct endpoint_error *error);

/* endpoint_same(a, b): whether both name one address. */
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);

#endif
