/* SPDX-License-Identifier: MIT
 * What `resctl explain` found out, for those who print it. Lives while the model does (config/compile.h). */
#ifndef RESCTL_EXPLAIN_H
#define RESCTL_EXPLAIN_H

#include "config/emit.h"
#include "config/match.h"
#include "target.h"
#include "worst.h"

/* One pattern that has to do with the target. */
struct explain_rule {
    const struct pattern *pattern; /* where it stands, and of whom */
    const struct rule_match *match;
    enum match_why why;
};

struct explanation {
    const struct model *model;
    const struct rules *rules;
    struct target *target;
    bool unresolved; /* rules by address could not be asked */
    bool is_json;
    const struct rule_destination *destination; /* NULL: no rule matches */
    uint32_t index;                             /* of the destination */
    struct explain_rule winner;
    struct explain_rule *others; /* those that fit but lost, then those that fit but for port, user or program */
    uint32_t count;
    struct worst worst;
};

/* explain_why(why): a phrase. */
const char *explain_why(enum match_why why);

/* explain_value(explanation, key, out, size): the value as text; returns out. */
enum { EXPLAIN_VALUE = 512, EXPLAIN_ORIGIN = 1024 };
char *explain_value(const struct explanation *explanation, int key, char *out, size_t size);

/* explain_differs(explanation, index, name): whether address[index] of the target goes elsewhere; where is in *name,
 * NULL: no rule matches it. */
bool explain_differs(const struct explanation *explanation, unsigned index, const char **name);

void explain_json(const struct explanation *explanation);
void explain_print(const struct explanation *explanation);

#endif
