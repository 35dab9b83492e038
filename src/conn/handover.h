/* SPDX-License-Identifier: MIT
 * Connections when a process becomes another program, starts one, or passes a descriptor away.
 *
 * exec: a socket with FD_CLOEXEC on all its descriptors ends with the program, so its slot and its probe's lease are
 * given back before the call, for afterwards nobody is left to do it; when the call fails the slot is taken again,
 * whatever the limit. A process that is killed in between has lost its sockets, too. Other sockets live on: they keep
 * the slot, which belongs to the process and not to the program, and are lent (conn/block.h): the new program finds the
 * application's own SO_RCVTIMEO. When it is preloaded and attaches, it adopts them (conn/adopt.h).
 *
 * spawn, and exec in a vfork child: the parent keeps everything. Sockets that the new program inherits are lent.
 *
 * Signal safe; usable in a vfork child; no allocation; system calls for tracked descriptors only.
 */
#ifndef RESIL_CONN_HANDOVER_H
#define RESIL_CONN_HANDOVER_H

#include <stdbool.h>
#include <sys/socket.h>

/* handover_begin(replaces): before exec (replaces) or spawn. Returns whether there was anything to do. errno is kept.
 */
bool handover_begin(bool replaces);

/* handover_failed(replaces): the call that was begun came back with an error. errno is kept. */
void handover_failed(bool replaces);

/* handover_named(fd): a file action of a spawn to come duplicates fd. */
void handover_named(int fd);

/* handover_passed(message): before sendmsg(): lends the sockets whose descriptors it carries. */
void handover_passed(const struct msghdr *message);

#endif
