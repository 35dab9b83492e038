/* SPDX-License-Identifier: MIT
 * Probes of a half-open breaker (src/segment/gate.c over src/policy/breaker.c and lease.c).
 *
 *   admit    gate_admit(), take_lease(), take_free_lease()      give      gate_give_back()
 *   result   gate_result(): a failure opens, a success closes   reclaim   reclaim_leases()
 *
 * Three processes call, and one of them may be killed at any step. The open time is always over: an open
 * breaker becomes half-open at the next admission. Each transition is a new generation; they are few here, so that none comes round again.
 * PLACES lease words, PROBES of them may be held at once: fewer than places, as where breaker.probes was lowered or
 * the ratio mode has results already.
 *
 * Never: more than PROBES calls of one half-open time at once, a lease of a newer generation taken away. Always: when
 * all calls are over, one more is admitted, though the holder of a lease died with it: half-open never sticks.
 *
 * BROKEN_COUNT: no look at how many are held, after a place was taken. BROKEN_ORDER: the generation is looked at
 * before the place. BROKEN_RECLAIM: the dead keep their leases. */
#ifndef PROBES
#define PROBES 1
#endif
#define PLACES 2
#define N      3
#define CLOSED 0
#define OPEN 1
#define HALF_OPEN 2
#define BREAKER(state, generation) ((state) | (generation) << 2)
#define STATE(b) ((b) & 3)
#define GENERATION(b) ((b) >> 2)
#define LEASE(owner, generation) ((owner) | (generation) << 3)
#define OWNER(l) ((l) & 7)
#define OF(l) ((l) >> 3)

byte breaker = BREAKER(OPEN, 1), lease[PLACES], ended;
byte probing[16]; /* calls that were admitted in this generation's half-open time and have not ended */
bool dead[N + 2], crashed;

#define STEP                                                                                                           \
    if                                                                                                                 \
    :: me <= N && !crashed -> crashed = true; dead[me] = true; if :: probe -> probing[generation]-- :: else fi; goto gone \
    :: true                                                                                                            \
    fi

inline give()
{
    atomic { STEP; if :: lease[place] == LEASE(me, generation) -> lease[place] = 0 :: else fi }
}

/* verdict: 1 admitted, 2 busy, 3 outdated */
inline take_free()
{
    verdict = 0; place = 0;
    do
    :: place == PLACES -> verdict = 2; break
    :: else ->
#ifdef BROKEN_ORDER
        atomic { STEP; if :: GENERATION(breaker) != generation -> verdict = 3; break :: else fi }
        atomic { STEP; seen = lease[place] }
#else
        atomic { STEP; seen = lease[place] }
        atomic { STEP; if :: GENERATION(breaker) != generation -> verdict = 3; break :: else fi }
#endif
        if
        :: seen == 0 || OF(seen) != generation ->
            atomic {
                STEP;
                if
                :: lease[place] == seen ->
                    assert(OF(seen) <= generation);
                    lease[place] = LEASE(me, generation); verdict = 4
                :: else
                fi;
                seen = 0
            }
        :: else -> seen = 0
        fi;
        if
        :: verdict == 4 ->
            atomic { STEP; if :: GENERATION(breaker) != generation -> verdict = 3 :: else fi }
#ifndef BROKEN_COUNT
            i = 0; held = 0;
            do
            :: i < PLACES && verdict == 4 -> atomic { STEP; if :: lease[i] && OF(lease[i]) == generation -> held++ :: else fi; i++ }
            :: else -> break
            od;
            if :: held > PROBES -> verdict = 2 :: else fi;
            atomic { i = 0; held = 0 }
#endif
            if
            :: verdict == 4 -> verdict = 1
            :: else -> give()
            fi;
            break
        :: else -> place++
        fi
    od
}

inline reclaim()
{
    any = false; i = 0;
    do
    :: i < PLACES ->
        atomic { STEP; seen = lease[i] }
        atomic { STEP; if :: seen && dead[OWNER(seen)] && lease[i] == seen -> lease[i] = 0; any = true :: else fi; seen = 0; i++ }
    :: else -> i = 0; break
    od
}

proctype caller(byte me)
{
    byte word, generation, seen, place, held, i, verdict, round;
    bool probe, any;
    do
    :: round == 1 -> break
    :: else ->
        round++;
        atomic { STEP; word = breaker }
        do
        :: STATE(word) == CLOSED -> generation = GENERATION(word); verdict = 1; break
        :: STATE(word) == OPEN ->
            atomic {
                STEP;
                if
                :: breaker == word -> word = BREAKER(HALF_OPEN, GENERATION(word) + 1); breaker = word
                :: else -> word = breaker
                fi
            }
        :: STATE(word) == HALF_OPEN ->
            generation = GENERATION(word);
            take_free();
#ifndef BROKEN_RECLAIM
            if
            :: verdict == 2 -> reclaim(); if :: any -> take_free() :: else fi
            :: else
            fi;
#endif
            if
            :: verdict == 3 -> atomic { STEP; word = breaker }
            :: verdict == 1 -> atomic { probe = true; probing[generation]++; assert(probing[generation] <= PROBES || STATE(breaker) != HALF_OPEN || GENERATION(breaker) != generation) }
                break
            :: else -> break
            fi
        od;
        if
        :: me > N -> assert(verdict == 1)
        :: verdict == 1 && me <= N -> /* gate_result() */
            atomic {
                STEP;
                if
                :: true -> seen = OPEN
                :: true -> seen = CLOSED
                :: true -> seen = 3 /* without a result */
                fi;
                if
                :: probe -> probing[generation]--; probe = false; held = 1
                :: else
                fi
            }
            atomic {
                STEP;
                if
                :: seen == 3 || GENERATION(breaker) != generation -> skip /* late */
                :: else -> if :: STATE(breaker) != seen -> breaker = BREAKER(seen, GENERATION(breaker) + 1) :: else fi
                fi
            }
            if
            :: held -> give()
            :: else
            fi
        :: verdict != 1 && me <= N
        fi;
        atomic { word = 0; generation = 0; seen = 0; place = 0; held = 0; i = 0; verdict = 0; any = false }
    od;
gone:
    ended++
}

init
{
    atomic { run caller(1); run caller(2); run caller(3) }
    ended == N;
    run caller(N + 1)
}
