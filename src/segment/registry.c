/* SPDX-License-Identifier: MIT
 * Joining, judging, burying. */
#include "segment/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "real/raw.h"
#include "segment/ipc.h"

enum { INDEX_BITS = 12, GENERATION_MASK = 0xfffff };
_Static_assert(1 << INDEX_BITS == SEG_PROCESSES, "an owner word holds every index");

static uint32_t generation_of(uint64_t word)
{
    return (uint32_t)(word >> 32) & GENERATION_MASK;
}

static enum process_state state_of(uint64_t word)
{
    return (enum process_state)(word & 3);
}

static uint32_t claimer_of(uint64_t word)
{
    return (uint32_t)word >> 2;
}

static uint64_t make_word(uint32_t generation, enum process_state state)
{
    return (uint64_t)(generation & GENERATION_MASK) << 32 | (uint32_t)state;
}

static uint32_t next_generation(uint64_t word)
{
    uint32_t next = (generation_of(word) + 1) & GENERATION_MASK;
    return next ? next : 1; /* owner words are never 0 */
}

/* Who claims an entry signs with its pid, where that means something to others. */
static uint64_t make_claim(const struct segment *segment, uint32_t generation)
{
    uint32_t pid = segment->same_pid_ns ? (uint32_t)raw_getpid() : 0;
    return make_word(generation, PROCESS_CLAIMED) | (uint64_t)(pid & 0x3fffffff) << 2;
}

static uint32_t make_owner(uint32_t generation, uint32_t index)
{
    return generation << INDEX_BITS | index;
}

uint32_t registry_owner_at(const struct segment *segment, uint32_t index)
{
    uint64_t word = atomic_load_explicit(&seg_process(segment, index)->word, memory_order_acquire);
    return state_of(word) == PROCESS_FREE ? 0 : make_owner(generation_of(word), index);
}

static void free_entry(struct seg_process *entry, uint64_t word)
{
    atomic_compare_exchange_strong(&entry->word, &word, make_word(next_generation(word), PROCESS_FREE));
}

void registry_bury(const struct segment *segment, uint32_t owner)
{
    struct seg_process *entry = seg_process(segment, owner_index(owner));
    uint64_t word = atomic_load(&entry->word);
    if (state_of(word) != PROCESS_FREE && make_owner(generation_of(word), owner_index(owner)) == owner)
        free_entry(entry, word);
}

/* Judges by /proc, which is only meaningful in the pid namespace of the entry. */
static bool alive_by_start_time(const struct segment *segment, const struct seg_process *entry)
{
    bool exists;
    uint64_t noted = atomic_load(&entry->start_time);
    uint32_t pid = atomic_load(&entry->pid);
    if (!segment->same_pid_ns || pid == 0 || atomic_load(&entry->pid_ns) != seg_header(segment)->pid_ns)
        return true; /* unknown is alive */
    uint64_t seen = ipc_start_time((int)pid, &exists);
    return exists && (seen == 0 || noted == 0 || seen == noted);
}

/* The rest of a claimed entry is still that of its last owner. */
static bool claimer_alive(const struct segment *segment, uint64_t word)
{
    bool exists = true;
    if (segment->same_pid_ns && claimer_of(word) != 0)
        ipc_start_time((int)claimer_of(word), &exists);
    return exists; /* unknown is alive */
}

bool registry_alive(const struct segment *segment, uint32_t owner)
{
    const struct seg_process *entry = seg_process(segment, owner_index(owner));
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (owner == 0 || state_of(word) == PROCESS_FREE || make_owner(generation_of(word), owner_index(owner)) != owner)
        return false;
    if (state_of(word) == PROCESS_CLAIMED)
        return claimer_alive(segment, word);
    if (atomic_load(&entry->sem_ok) && segment->sem_usable) {
        int value = ipc_sem_value(seg_header(segment)->sem_id, owner_index(owner));
        if (value >= 0)
            return value > 0;
    }
    return alive_by_start_time(segment, entry);
}

static bool is_current(const struct segment *segment, uint32_t owner)
{
    return owner != 0 && registry_owner_at(segment, owner_index(owner)) == owner;
}

void registry_forks(const struct segment *segment, uint32_t owner, uint64_t now_ns)
{
    struct seg_process *entry = seg_process(segment, owner_index(owner));
    atomic_store(&entry->fork_ns, now_ns);
    atomic_fetch_add(&entry->forks, 1);
}

void registry_arrived(const struct segment *segment, uint32_t parent)
{
    if (is_current(segment, parent))
        atomic_fetch_add(&seg_process(segment, owner_index(parent))->arrivals, 1);
}

/* A fork that failed, or a child that was killed at once, never arrives: nobody waits for long. */
bool registry_holds(const struct segment *segment, uint32_t owner, uint64_t now_ns)
{
    enum { ON_ITS_WAY_NS = 1000000000 };
    const struct seg_process *entry = seg_process(segment, owner_index(owner));
    if (registry_alive(segment, owner))
        return true;
    return is_current(segment, owner) && atomic_load(&entry->forks) != atomic_load(&entry->arrivals) &&
           now_ns - atomic_load(&entry->fork_ns) < ON_ITS_WAY_NS;
}

/* After an exec the new program finds the entry of the old one: the same process, so the same owner, and the unit that
 * it took then is still counted. An entry without one is that of a dead process with the same number: in a pid
 * namespace numbers come back soon, and without /proc there is no start time to tell them apart. */
static uint32_t resume_own_past(const struct segment *segment, uint32_t pid, uint64_t start_time, uint64_t pid_ns)
{
    uint32_t used = atomic_load(&seg_header(segment)->processes_used);
    for (uint32_t i = 0; i < used && i < SEG_PROCESSES; i++) {
        struct seg_process *entry = seg_process(segment, i);
        uint64_t word = atomic_load(&entry->word);
        if (state_of(word) != PROCESS_LIVE || atomic_load(&entry->pid) != pid ||
            atomic_load(&entry->start_time) != start_time || atomic_load(&entry->pid_ns) != pid_ns ||
            !registry_alive(segment, make_owner(generation_of(word), i)))
            continue;
        return make_owner(generation_of(word), i);
    }
    return 0;
}

static bool claim(const struct segment *segment, uint32_t index, uint64_t *claimed)
{
    struct seg_process *entry = seg_process(segment, index);
    uint64_t word = atomic_load(&entry->word);
    if (state_of(word) != PROCESS_FREE)
        return false;
    *claimed = make_claim(segment, generation_of(word) ? generation_of(word) : 1);
    return atomic_compare_exchange_strong(&entry->word, &word, *claimed);
}

/* The owner word; 0 when somebody who does not know our pid took us for dead meanwhile. */
static uint32_t fill(const struct segment *segment, uint32_t index, uint64_t word, uint32_t parent, const char *program,
                     uint64_t start_time, uint64_t pid_ns)
{
    const struct seg_header *header = seg_header(segment);
    struct seg_process *entry = seg_process(segment, index);
    atomic_store(&entry->sem_ok, 0);
    memset((void *)&entry->coverage, 0, sizeof entry->coverage);
    atomic_store(&entry->start_time, start_time);
    atomic_store(&entry->pid_ns, pid_ns);
    atomic_store(&entry->pid, (uint32_t)raw_getpid());
    atomic_store(&entry->parent, parent ? owner_index(parent) + 1 : 0);
    atomic_store(&entry->attached_ns, clock_now_ns());
    atomic_store(&entry->forks, 0);
    atomic_store(&entry->arrivals, 0);
    text_copy(entry->program, sizeof entry->program, program);
    /* A unit that an earlier exec of this process took at this index is still counted: one more is harmless,
     * for both go when the process ends. */
    bool counted = segment->sem_usable && ipc_sem_take_unit(header->sem_id, index);
    atomic_store(&entry->sem_ok, counted);
    uint32_t generation = generation_of(word);
    if (atomic_compare_exchange_strong(&entry->word, &word, make_word(generation, PROCESS_LIVE)))
        return make_owner(generation, index);
    if (counted)
        ipc_sem_give_unit(header->sem_id, index);
    return 0;
}

static void bury_the_dead(const struct segment *segment)
{
    for (uint32_t i = 0; i < SEG_PROCESSES; i++) {
        uint32_t owner = registry_owner_at(segment, i);
        if (owner && !registry_holds(segment, owner, clock_now_ns()))
            registry_bury(segment, owner);
    }
}

uint32_t registry_join(const struct segment *segment, uint32_t parent, const char *program, bool *resumed)
{
    bool exists;
    uint64_t word;
    uint64_t start_time = ipc_start_time(IPC_SELF, &exists);
    uint64_t pid_ns = ipc_namespace("pid");
    uint32_t own = resume_own_past(segment, (uint32_t)raw_getpid(), start_time, pid_ns);
    *resumed = own != 0;
    if (own != 0) {
        struct seg_process *entry = seg_process(segment, owner_index(own));
        text_copy(entry->program, sizeof entry->program, program);
        return own;
    }
    uint32_t owner = 0;
    for (int round = 0; round < 2 && owner == 0; round++) {
        for (uint32_t i = 0; i < SEG_PROCESSES && owner == 0; i++) {
            if (!claim(segment, i, &word))
                continue;
            seg_raise(&seg_header(segment)->processes_used, i + 1);
            owner = fill(segment, i, word, parent, program, start_time, pid_ns);
        }
        if (owner == 0)
            bury_the_dead(segment);
    }
    return owner;
}

void registry_leave(const struct segment *segment, uint32_t owner)
{
    bool counted = atomic_load(&seg_process(segment, owner_index(owner))->sem_ok) != 0;
    if (!is_current(segment, owner))
        return;
    registry_bury(segment, owner);
    if (counted && segment->sem_usable)
        ipc_sem_give_unit(seg_header(segment)->sem_id, owner_index(owner));
}
