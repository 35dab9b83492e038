/* SPDX-License-Identifier: MIT
 * Slots of a bulkhead, and with -DQUEUE the line in front of them (src/segment/ledger.c, ledger_steps.c, reaper.c).
 *
 *   claim      try_claim(), and the step to PENDING       take     step_take()
 *   help       step_help()                                give     step_give_back()
 *   reap       ledger_reap(), reclaim(), overdue()        turn     ledger_turn(), first_in_line(), kept()
 *
 * Three processes acquire, hold and release; CRASHES of them are killed before any access to shared memory. There are
 * fewer entries than processes: tags tell their uses apart. In the line the first process may give up, or sleep so
 * long beyond its time that others take it out. At the end one more process reaps what the dead left.
 *
 * Never: more live holders than LIMIT, a count beyond LIMIT or PLACES or below 0; at the end a slot or a place that is
 * still counted, or an entry that is not free. Always: whoever lives comes to an end (no invalid end state: a waiter
 * whose turn never comes; no cycle without progress).
 *
 * BROKEN_HELP: nobody finishes the operation that stands in the word. BROKEN_TAG: a claim keeps the tag of the entry's last use.
 * BROKEN_REAP: the reaper does not help first. BROKEN_LIMIT: the count is added to, not compared and swapped.
 * BROKEN_KEPT (QUEUE): a waiter that was taken out of the line keeps the slot that it took at that moment. */
#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#define N      3
#define PLACES 2
#define NONE 0
#define ACQUIRE 1
#define RELEASE 2
#define SLOTS 0
#define LINE 1
#define FREE 0
#define CLAIMED 1
#define PENDING 2
#define HELD 3
#define QUEUED 4
#define ADMITTED 5
#define NOBODY 99

/* account = tag | operation | entry | count, entry = owner | tag | state: as the C code packs them, in fewer bits */
#define A(count, index, operation, tag) ((count) | (index) << 3 | (operation) << 5 | (tag) << 7)
#define COUNT(a) ((a) & 7)
#define INDEX(a) ((a) >> 3 & 3)
#define OPERATION(a) ((a) >> 5 & 3)
#define TAG_A(a) ((a) >> 7 & 7)
#define W(owner, tag, state) ((state) | (tag) << 3 | (owner) << 6)
#define STATE(w) ((w) & 7)
#define TAG(w) ((w) >> 3 & 7)
#define OWNER(w) ((w) >> 6)

short account[2], entry[ENTRIES];
byte ticket[ENTRIES], tickets, crashes, holders, ended;
bool dead[N + 2];

/* Before each access, in one step with it: the process may die here, and the kernel closes the connection that it held. */
#define STEP                                                                                                           \
    if                                                                                                                 \
    :: me <= N && crashes < CRASHES -> crashes++; dead[me] = true; holders = holders - holding; holding = 0; goto gone \
    :: true                                                                                                            \
    fi

#define FINISHED(kind, operation, state)                                                                               \
    (kind == SLOTS -> (operation == ACQUIRE -> (state == PENDING -> HELD : (state == QUEUED -> ADMITTED : state))      \
                                             : (state == HELD -> FREE : state))                                        \
                    : (operation == ACQUIRE -> (state == PENDING -> QUEUED : state)                                    \
                                             : (state == QUEUED -> FREE : (state == ADMITTED -> HELD : state))))

inline help(kind, a)
{
#ifndef BROKEN_HELP
    if
    :: OPERATION(a) != NONE ->
        atomic { STEP; seen = entry[INDEX(a)] }
        if
        :: TAG(seen) == TAG_A(a) ->
            atomic { STEP; if :: account[kind] != a -> seen = 0 :: else fi }
            if
            :: seen != 0 && FINISHED(kind, OPERATION(a), STATE(seen)) != STATE(seen) ->
                atomic {
                    STEP;
                    if
                    :: entry[INDEX(a)] == seen ->
                        next = FINISHED(kind, OPERATION(a), STATE(seen));
                        entry[INDEX(a)] = W((next == FREE -> 0 : OWNER(seen)), TAG(seen), next);
                        next = 0
                    :: else
                    fi;
                    seen = 0
                }
            :: else -> seen = 0
            fi
        :: else -> seen = 0
        fi
    :: else
    fi
#else
    skip
#endif
}

/* One try of a compare-and-swap by which the account moves for an entry in state `from`; done: it did. The label again
 * is for one that failed. */
inline move(kind, index, mark, from, allowed, operation, count)
{
    done = false;
    do
    :: atomic { STEP; word = account[kind] }
        help(kind, word);
        atomic { STEP; if :: !(allowed) || STATE(entry[index]) != from || TAG(entry[index]) != mark -> break :: else fi }
        atomic {
            STEP;
            if
#ifdef BROKEN_LIMIT
            :: account[kind] == word || operation == ACQUIRE -> word = account[kind];
#else
            :: account[kind] == word ->
#endif
                word = A(count, index, operation, mark); account[kind] = word; done = true
            :: else
            fi
        }
        if
        :: done -> help(kind, word); break
        :: else
        fi
    od;
    word = 0
}

#define TAKE(kind, limit, only_if) move(kind, slot, tag, only_if, COUNT(word) < limit, ACQUIRE, COUNT(word) + 1)
#define GIVE(kind, index, mark, from) move(kind, index, mark, from, true, RELEASE, COUNT(word) - 1)

inline reap()
{
    do
    :: i < ENTRIES ->
        atomic {
            STEP;
            word = entry[i];
            mark = NOBODY;
            if
            :: STATE(word) != FREE && dead[OWNER(word)] -> mark = TAG(word)
            :: else
            fi
        }
        if
        :: mark != NOBODY ->
#ifndef BROKEN_REAP
            atomic { STEP; word = account[SLOTS] }
            help(SLOTS, word);
#ifdef QUEUE
            atomic { STEP; word = account[LINE] }
            help(LINE, word);
#endif
#endif
            atomic { STEP; word = entry[i]; if :: TAG(word) != mark -> word = 0 :: else -> word = STATE(word) fi }
            if
            :: word == HELD -> GIVE(SLOTS, i, mark, HELD)
#ifdef QUEUE
            :: word == QUEUED -> GIVE(LINE, i, mark, QUEUED)
            :: word == ADMITTED -> GIVE(LINE, i, mark, ADMITTED); GIVE(SLOTS, i, mark, HELD)
#endif
            :: word == CLAIMED || word == PENDING ->
                atomic { STEP; if :: STATE(entry[i]) == word && TAG(entry[i]) == mark -> entry[i] = W(0, mark, FREE) :: else fi }
            :: else
            fi
#ifdef QUEUE
        :: mark == NOBODY && STATE(word) == QUEUED && OWNER(word) == 1 && me != 1 -> /* overdue() */
            mark = TAG(word);
            GIVE(LINE, i, mark, QUEUED)
#endif
        :: else
        fi;
        atomic { i++; mark = 0; word = 0; done = false }
    :: i == ENTRIES -> i = 0; break
    od
}

#ifdef QUEUE
#define ENTER_LINE                                                                                                     \
    atomic { STEP; ticket[slot] = tickets; tickets++ }                                                                 \
    TAKE(LINE, PLACES, PENDING);                                                                                       \
    if                                                                                                                 \
    :: done -> goto queued                                                                                             \
    :: else                                                                                                            \
    fi
#else
#define ENTER_LINE skip
#endif

inline enter()
{
    atomic { STEP; next = COUNT(account[LINE]) }
    if
    :: next == 0 -> TAKE(SLOTS, LIMIT, PENDING); if :: done -> goto held :: else fi
    :: else -> next = 0
    fi;
    ENTER_LINE
}

proctype process(byte me)
{
    short word, seen;
    byte slot, tag, next, i, mark;
    bool holding, done;
    atomic { /* a free entry, whichever: the scan begins anywhere */
        STEP;
        if
        :: STATE(entry[0]) == FREE -> slot = 0
        :: STATE(entry[1]) == FREE -> slot = 1
        :: STATE(entry[0]) != FREE && STATE(entry[1]) != FREE -> goto gone /* the table is full: it passes through */
        fi;
#ifdef BROKEN_TAG
        tag = TAG(entry[slot]);
#else
        tag = TAG(entry[slot]) + 1;
#endif
        entry[slot] = W(me, tag, CLAIMED)
    }
    atomic { STEP; assert(entry[slot] == W(me, tag, CLAIMED)); entry[slot] = W(me, tag, PENDING) }
    enter();
    reap();
    enter();
    atomic { STEP; assert(entry[slot] == W(me, tag, PENDING)); entry[slot] = W(0, tag, FREE); goto gone }
#ifdef QUEUE
queued:
    done = false;
    do
    :: me == 1 -> GIVE(LINE, slot, tag, QUEUED); goto gone /* ledger_leave() */
    :: COUNT(account[SLOTS]) < LIMIT || crashes > 0 -> /* ledger_wait() */
progress_waits:
        reap();
        /* first_in_line() */
        atomic { STEP; if :: STATE(entry[1 - slot]) == QUEUED -> mark = 1 :: else fi }
        atomic { STEP; if :: mark && ticket[1 - slot] < ticket[slot] -> mark = 2 :: else fi }
        if
        :: mark == 2 -> mark = 0
        :: else ->
            mark = 0;
            TAKE(SLOTS, LIMIT, QUEUED);
            if
            :: done ->
#ifndef BROKEN_KEPT
                done = false;
                atomic { STEP; if :: TAG(entry[slot]) == tag && STATE(entry[slot]) != FREE -> goto turned :: else fi }
                do /* kept(): taken out of the line at that moment */
                :: atomic { STEP; word = account[SLOTS] }
                    help(SLOTS, word);
                    atomic {
                        STEP;
                        if
                        :: account[SLOTS] == word -> account[SLOTS] = A(COUNT(word) - 1, slot, NONE, tag); goto gone
                        :: else
                        fi
                    }
                od
#else
                goto turned
#endif
            :: else
            fi
        fi
    od;
turned:
    GIVE(LINE, slot, tag, ADMITTED);
#endif
held:
    atomic { holding = true; holders++; assert(holders <= LIMIT) }
    atomic { STEP; holding = false; holders-- }
    GIVE(SLOTS, slot, tag, HELD);
gone:
    atomic { word = 0; seen = 0; mark = 0; slot = 0; tag = 0; next = 0; i = 0; done = false; ended++ }
}

/* What reaps at last: a further contender. */
proctype last()
{
    short word, seen;
    byte slot, tag, next, i, mark, me = N + 1;
    bool holding, done;
    ended == N;
    reap();
    atomic {
        assert(COUNT(account[SLOTS]) == 0 && COUNT(account[LINE]) == 0);
        assert(STATE(entry[0]) == FREE && STATE(entry[1]) == FREE)
    }
gone:
    skip
}

active proctype watch()
{
    atomic { run process(1); run process(2); run process(3); run last() }
    assert(COUNT(account[SLOTS]) <= LIMIT && COUNT(account[LINE]) <= PLACES)
}
