/* SPDX-License-Identifier: MIT
 * The environment of a program that this one execs or spawns.
 *
 * A program that builds or cleans its children's environment (env -i, cron, daemons) loses LD_PRELOAD without meaning
 * it. Then the entry by which this library was loaded comes back, behind whatever preloads are there, and with it the
 * RESIL_* settings as they stood at the start. Whoever removes it on purpose is obeyed: an environment that still has
 * any RESIL_* variable, or an empty LD_PRELOAD, stays as it is; so does every one under RESIL_DISABLE=exec or all.
 *
 * Signal safe, usable in a vfork child: the caller gives the memory. Strings are probed before they are read.
 */
#ifndef RESIL_CONN_ENVP_H
#define RESIL_CONN_ENVP_H

#include <stdbool.h>
#include <stddef.h>

/* envp_learn(environment): the constructor's part: remembers what is to be passed on, in pages of our own. Nothing when
 * LD_PRELOAD does not name this library (it came by /etc/ld.so.preload, or was linked): then nothing is ever added. */
void envp_learn(char **environment);

struct envp_plan {
    char *const *old;
    size_t count;   /* entries of old */
    size_t preload; /* index of LD_PRELOAD in old, count when there is none */
    bool settings;  /* the RESIL_* are added, too */
    size_t bytes;   /* of memory that envp_build() needs */
};

/* envp_plan(envp, plan): false when envp can go as it is. */
bool envp_plan(char *const *envp, struct envp_plan *plan);

/* envp_build(plan, memory): the new environment, in plan->bytes of memory aligned for pointers. */
char *const *envp_build(const struct envp_plan *plan, void *memory);

#endif
