/* SPDX-License-Identifier: MIT
 * The lower bound of all deadlines of a process (src/conn/deadline.c), between its threads.
 *
 *   arm()   timer_start(), timer_slow(): the record, then deadline_lower()
 *   look()  deadline_fire()
 *
 * One thread looks whenever the bound is reached, and may be ended at any step of it (pthread_cancel, a jump out of a
 * handler); another takes over. A third one arms, lets fire or disarms; one deadline stands already. Time passes whenever it likes.
 *
 * Never lost: when no thread is in the middle of anything, the bound is no later than every armed deadline, or a look
 * comes soon anyway. BROKEN_UNTOLD: an arm that is later than the look that goes on does not tell it (as the code was).
 * BROKEN_NO_GUARD: a look sets the bound to never until it is over. BROKEN_UNNAMED: a look takes another one of the same
 * instant for itself. */
#define INF     15
#define LOOK    1 /* LOOK_NS */
#define TIMEOUT 2
#define LATEST  3
#define ROUNDS  2

byte now, bound, due[2], busy;
byte looking; /* the number in the low bits of bound_ns: of the look that goes on, 0 = none */

inline lower(at)
{
    do /* a compare-and-swap that fails is a step of somebody else between the load and it: then it is tried again */
    :: atomic { at < bound -> bound = at; looking = 0; break }
#ifdef BROKEN_UNTOLD
    :: atomic { at >= bound -> break }
#else
    :: atomic { at >= bound -> looking = 0; break }
#endif
    od
}

proctype arm(byte record)
{
    byte round, at;
    do
    :: round < ROUNDS ->
        atomic { busy++; at = now + TIMEOUT }
        due[record] = at;
        lower(at);
        atomic { busy--; round++; at = 0 }
        if
        :: due[record] = 0
        :: skip
        fi
    :: round == ROUNDS -> break
    od
}

proctype look(bool mortal)
{
    byte mine, next, i, seen, reached, marked, own;
    do
    :: atomic { now >= bound -> busy++; mine = now; next = INF; reached = bound; marked = looking }
#ifdef BROKEN_NO_GUARD
        bound = INF;
#else
        atomic {
            if
            :: bound == reached && looking == marked -> bound = mine + LOOK; own = 1 + mortal; looking = own
            :: else /* somebody was faster: own is 0 */
            fi
        }
#endif
        i = 0;
        do
        :: i < 2 && mortal -> atomic { busy--; goto ended }
        :: i < 2 -> atomic {
                seen = due[i];
                if
                :: seen && seen <= mine -> due[i] = 0
                :: seen > mine && seen < next -> next = seen
                :: else
                fi
                i++; seen = 0
            }
        :: i == 2 -> break
        od
        if
#ifdef BROKEN_UNNAMED
        :: atomic { looking && bound == mine + LOOK -> bound = next; looking = 0 }
#else
        :: atomic { own && looking == own -> bound = next; looking = 0 }
#endif
        :: atomic { else -> if :: next < bound -> bound = next; looking = 0 :: else fi }
        fi
        atomic { busy--; mine = 0; next = 0; i = 0; reached = 0; marked = 0; own = 0 }
    :: timeout -> break /* nobody does anything any more, and nothing is reached */
    od;
ended:
    skip
}

proctype clock()
{
    do
    :: now < LATEST -> now++
    :: now == LATEST -> break
    od
}

active proctype watch()
{
    byte i;
    atomic { due[1] = 1; run arm(0); run look(true); run look(false); run clock() }
    do
    :: atomic {
            busy == 0 ->
            i = 0;
            do
            :: i < 2 -> assert(due[i] == 0 || bound <= due[i] || bound <= now + LOOK); i++
            :: i == 2 -> break
            od;
            i = 0
        }
    :: timeout -> break
    od
}
