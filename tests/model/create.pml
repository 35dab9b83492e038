/* SPDX-License-Identifier: MIT
 * Creation and publication of the segment's file (src/segment/segment.c).
 *
 *   open      segment_open(): absent, stale (of an earlier boot) or usable      create    segment_create(), fill_file()
 *   place     put_in_place(): a name that nobody has                           replace   replace_stale()
 *
 * Three processes attach at once, one of them may be killed at any step. At the beginning there is no file, or a stale
 * one. A file has a name, a magic that is written last, and a lock that the kernel takes away from the dead.
 *
 * Never: a file with a name and without its magic. Always: in the end all that live are attached to the file that has
 * the name, and to no other.
 *
 * BROKEN_RENAME: a new file takes a name that another has by now. BROKEN_MAGIC: a file has its name before it is filled.
 * BROKEN_REPLACE: who replaces a stale file holds no lock (as the code was). BROKEN_LOCK: it does not look at the name
 * again, once it has the lock. */
#define FILES 8
#define N     3
#define STALE 1
byte path, files = 1, lock[FILES], attached[N + 1], ended;
bool magic[FILES], dead[N + 1], crashed;

#define STEP                                                                                                           \
    if                                                                                                                 \
    :: !crashed -> crashed = true; dead[me] = true; goto gone                                                          \
    :: true                                                                                                            \
    fi

proctype process(byte me)
{
    byte seen, own, rounds;
open:
    atomic { STEP; seen = path; assert(seen == 0 || magic[seen]) }
    if
    :: seen > STALE -> attached[me] = seen; goto gone
    :: else
    fi;
    /* Whoever finds no usable file even after its own was not taken goes on in private memory: that must not happen. */
    atomic { assert(rounds < 3); rounds++ }
    atomic { STEP; files++; own = files }
#ifndef BROKEN_MAGIC
    atomic { STEP; magic[own] = true }
#endif
    if
    :: seen == 0 ->
#ifdef BROKEN_RENAME
        atomic { STEP; path = own }
#else
        atomic { STEP; if :: path == 0 -> path = own :: else fi } /* RENAME_NOREPLACE */
#endif
    :: else ->
#ifndef BROKEN_REPLACE
        atomic { lock[seen] == 0 || dead[lock[seen]]; STEP; lock[seen] = me }
#ifndef BROKEN_LOCK
        atomic { STEP; if :: path != seen -> lock[seen] = 0; goto open :: else fi }
#endif
#endif
        atomic { STEP; path = own }
        atomic { STEP; lock[seen] = 0 }
    fi;
#ifdef BROKEN_MAGIC
    atomic { STEP; magic[own] = true }
#endif
    goto open;
gone:
    ended++
}

init
{
    byte i;
    atomic {
        magic[STALE] = true;
        if
        :: path = STALE
        :: path = 0
        fi;
        run process(1); run process(2); run process(3)
    }
    ended == N;
    i = 1;
    do
    :: i <= N -> assert(dead[i] || attached[i] == path); i++
    :: else -> break
    od
}
