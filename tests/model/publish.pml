/* SPDX-License-Identifier: MIT
 * The two slots in which rules are published (src/segment/publish.c).
 *
 *   publisher   publish_begin(), publish_rules(), publish_end()      reader   publish_size(), publish_copy()
 *
 * Two processes publish, each twice, and one may be killed at any step; a third reads. A block is a size and two words,
 * all of one version; the reader's checksum is not modelled: the protocol alone has to keep blocks whole.
 *
 * Never: two publishers at once, a copy of two versions, a version that goes back. Always: a living publisher gets
 * ahead, though another died with the word in hand (no invalid end state).
 *
 * BROKEN_EARLY: the generation moves before the block is written. BROKEN_ONE_SLOT: the current slot is overwritten.
 * BROKEN_RECHECK: the reader does not look at the generation again. BROKEN_DEAD: a dead publisher keeps the word. */
#define WORDS 3
byte generation, holder, version, busy;
byte slot[6]; /* 2 slots of WORDS words */
bool dead[3];

#define STEP                                                                                                           \
    if                                                                                                                 \
    :: !dead[3 - me] -> dead[me] = true; busy = busy - inside; goto gone                                               \
    :: true                                                                                                            \
    fi
#ifdef BROKEN_ONE_SLOT
#define PLACE(g) 0
#else
#define PLACE(g) (((g) & 1) * WORDS)
#endif

#ifdef BROKEN_DEAD
#define TAKEABLE(h) ((h) == 0)
#else
#define TAKEABLE(h) ((h) == 0 || dead[h]) /* registry_alive() */
#endif

proctype publisher(byte me)
{
    byte round, seen, next, i, mine;
    bool inside;
    do
    :: round == 2 -> break
    :: round < 2 ->
        atomic { STEP; seen = holder }
        if
        :: TAKEABLE(seen) ->
            atomic {
                STEP;
                if
                :: holder == seen -> holder = me; inside = true; busy++; assert(busy == 1)
                :: else -> seen = 9
                fi
            }
        :: else -> TAKEABLE(holder); seen = 9 /* tried again later */
        fi;
        if
        :: seen != 9 ->
            atomic { STEP; next = generation + 1; version++; mine = version }
#ifdef BROKEN_EARLY
            atomic { STEP; generation = next }
#endif
            i = 0;
            do
            :: i < WORDS -> atomic { STEP; slot[PLACE(next) + i] = mine; i++ }
            :: i == WORDS -> break
            od;
            atomic { STEP; assert(generation == next || generation == next - 1); generation = next }
            atomic { STEP; inside = false; busy--; if :: holder == me -> holder = 0 :: else fi }
            round++
        :: else
        fi;
        atomic { seen = 0; next = 0; i = 0; mine = 0 }
    od;
gone:
    skip
}

active proctype reader()
{
    byte before, i, copy[WORDS], last, round, size;
    atomic { run publisher(1); run publisher(2) }
    do
    :: before = generation;
        if
        :: before == 0 -> goto again
        :: else
        fi;
        atomic { size = slot[PLACE(generation)] } /* publish_size() looks at the generation of its own */
        i = 0;
        do
        :: i < WORDS -> atomic { copy[i] = slot[PLACE(before) + i]; i++ }
        :: i == WORDS -> break
        od;
        atomic {
#ifndef BROKEN_RECHECK
            if
            :: generation != before -> goto again
            :: else
            fi;
#endif
            assert(copy[0] == copy[1] && copy[1] == copy[2] && size == copy[0] && copy[0] >= last);
            last = copy[0]
        }
again:
        atomic { before = 0; i = 0; size = 0; copy[0] = 0; copy[1] = 0; copy[2] = 0; round++ }
        if
        :: round == 3 -> break
        :: else
        fi
    od
}
