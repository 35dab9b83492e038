/* SPDX-License-Identifier: MIT
 * Commands that make connections of their own. */
#ifndef RESCTL_BARE_H
#define RESCTL_BARE_H

/* become_bare(argv): when the library is loaded into this process (by an LD_PRELOAD of the whole system, for instance),
 * starts it once more with RESIL_DISABLE=all, for its children, too: its probes would otherwise be judged by the very
 * breakers that wait for them. argv: of the subcommand, behind the program's own name. Returns when that is not needed,
 * or not possible. */
void become_bare(char **argv);

#endif
