/* SPDX-License-Identifier: MIT
 * One pattern of `match =`: its text -> the fields of struct rule_match. */
#ifndef RESIL_CONFIG_PATTERN_H
#define RESIL_CONFIG_PATTERN_H

#include "config/arena.h"
#include "config/lexer.h"
#include "config/rules.h"

struct section;

struct pattern {
    struct rule_match match; /* without destination, text, app and line, which only the emitter knows */
    const char *text;        /* NAME, SUFFIX, PATH*: in the arena, else "" */
    const char *app;         /* "" = any */
    const char *file;        /* where it stands, with match.line: the model's */
    struct section *destination;
    struct pattern *next;
};

/* What is wrong with a pattern: the part, and what should stand there. */
struct pattern_error {
    struct slice got;
    const char *want;
};

/* pattern_parse(arena, text, out, error): HOST[:PORT] | *.DOMAIN[:PORT] | ADDR[/BITS][:PORT] | [V6[/BITS]][:PORT] |
 * V6[/BITS] | *[:PORT] | unix:PATH[*] | unix:@NAME[*], then app=GLOB and uid=N behind blanks. PORT is N or LO-HI. */
bool pattern_parse(struct arena *arena, struct slice text, struct pattern *out, struct pattern_error *error);

#endif
