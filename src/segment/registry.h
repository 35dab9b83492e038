/* SPDX-License-Identifier: MIT
 * The process registry: who may own things in the segment, and who is still alive.
 *
 * An owner word is {generation:20, index:12}: the index of a registry entry and its generation; 0 is
 * nobody. A process is dead when its entry says so, when its entry has another generation, when its
 * unit in the semaphore set is gone, or when /proc of the same pid namespace knows another start time;
 * in every other case it counts as alive.
 *
 *   seg_process.word = generation:32 | pid:30 | state:2      FREE -> CLAIMED -> LIVE -> FREE (generation + 1)
 *
 * After an exec LIVE -> CLAIMED (generation + 1). pid is that of a claimer, 0 elsewhere: until the entry lives,
 * everything else in it is its last owner's. A joiner that dies while CLAIMED is found by its pid.
 */
#ifndef RESIL_SEGMENT_REGISTRY_H
#define RESIL_SEGMENT_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"

enum process_state { PROCESS_FREE, PROCESS_CLAIMED, PROCESS_LIVE };

static inline uint32_t owner_index(uint32_t owner)
{
    return owner & (SEG_PROCESSES - 1);
}

/* registry_join(segment, parent, program, resumed): enters this process. parent: owner word of the process that forked
 * it, or 0. Returns the owner word, 0 when the registry is full. An entry that this very process (same pid and start
 * time) left behind at exec is taken up again, and *resumed set: what the program before owned is owned still. Signal
 * safe; a few system calls. */
uint32_t registry_join(const struct segment *segment, uint32_t parent, const char *program, bool *resumed);

/* registry_leave(segment, owner): the process that joined goes on without its entry; it must own nothing. */
void registry_leave(const struct segment *segment, uint32_t owner);

/* registry_forks(segment, owner, now_ns): the process is about to fork while it holds slots.
 * registry_arrived(segment, parent): a child of it has written itself down where it is an heir. */
void registry_forks(const struct segment *segment, uint32_t owner, uint64_t now_ns);
void registry_arrived(const struct segment *segment, uint32_t parent);

/* registry_holds(segment, owner, now_ns): alive, or so lately dead that a child of its last fork may be on its way to
 * take over what it held. */
bool registry_holds(const struct segment *segment, uint32_t owner, uint64_t now_ns);

/* registry_alive(segment, owner): see above. Writes nothing. Signal safe; at most a few system calls. */
bool registry_alive(const struct segment *segment, uint32_t owner);

/* registry_bury(segment, owner): makes a dead owner's entry free, so that whatever it owned is recognised without
 * a system call from now on. Call only after registry_alive() said no. */
void registry_bury(const struct segment *segment, uint32_t owner);

/* The owner word that stands at this index now, whatever its state; 0 when the entry is free. */
uint32_t registry_owner_at(const struct segment *segment, uint32_t index);

#endif
