/* SPDX-License-Identifier: MIT
 * timeout.dns: libc's resolver cannot be hooked, but it reads RES_OPTIONS. */
#ifndef RESCTL_RESOLVER_H
#define RESCTL_RESOLVER_H

#include <stddef.h>

#include "config/rules.h"

/* resolver_limit_ns(): the shortest timeout.dns of the enforced destinations of the rules that a program started in
 * this environment will use: those of its segment, else those of its configuration. 0: there is none. */
int64_t resolver_limit_ns(void);

/* resolver_options(limit_ns, servers, given, out, size): RES_OPTIONS for it: one attempt, in whole seconds, shared by
 * the name servers, which libc asks one after the other; at least one second for each. What was given stands first; an
 * option that it has is not added, and nothing is when it has a timeout. */
void resolver_options(int64_t limit_ns, unsigned servers, const char *given, char *out, size_t size);

/* resolver_set(): sets RES_OPTIONS in this environment, where there is a limit. */
void resolver_set(void);

#endif
