/* SPDX-License-Identifier: MIT
 * Sockets that were open before this program was: slots of the program that this process was before an exec. */
#ifndef RESIL_CONN_ADOPT_H
#define RESIL_CONN_ADOPT_H

/* adopt_past(): once, after a process has taken up its registry entry again. A slot whose socket is found, by its
 * cookie, among the descriptors becomes a tracked connection; every other one is given back. One look at the ledger and
 * a few system calls for each slot; by the thread that attaches. */
void adopt_past(void);

#endif
