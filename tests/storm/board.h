/* SPDX-License-Identifier: MIT
 * What the programs of the storm share: one page of a file, mapped by all of them.
 *
 * Who holds a connection is one word, so that a look at it is a look at one instant, and a worker that is killed leaves
 * no half of anything: bit 4 * process + thread from the return of connect() to the call of close(), and bit
 * 32 + process while the killer ends that process (the kernel then gives its slots back at a moment of its own). */
#ifndef RESIL_TESTS_STORM_BOARD_H
#define RESIL_TESTS_STORM_BOARD_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BOARD_PROCESSES = 8, BOARD_THREADS = 4, BOARD_BYTES = 4096 };

struct board {
    _Atomic uint64_t held;                         /* workers and killer */
    _Atomic uint64_t excess;                       /* the first value of `held` above the limit, 0 = never */
    _Atomic uint64_t most;                         /* the most bits of the living that were ever set at once */
    _Atomic uint64_t connects, refused, broken;    /* workers: what connect() answered; exchanges that failed */
    _Atomic uint64_t children;                     /* workers: children whose work is done */
    _Atomic uint32_t incarnation[BOARD_PROCESSES]; /* killer: the present life of each place */
    _Atomic uint32_t limit;                        /* bulkhead.limit */
    _Atomic uint32_t steady;                       /* killer: 1 at the end: the server stops misbehaving */
};

/* What a worker sends: who it is. */
struct hello {
    uint32_t process, thread, incarnation;
};

static inline struct board *board_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map = fd >= 0 && ftruncate(fd, BOARD_BYTES) == 0
                    ? mmap(NULL, BOARD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                    : MAP_FAILED;
    if (map == MAP_FAILED) {
        perror(path);
        exit(4);
    }
    close(fd);
    return map;
}

static inline uint64_t board_bits(uint32_t process)
{
    return ((1ull << BOARD_THREADS) - 1) << process * BOARD_THREADS;
}

static inline bool board_doomed(uint64_t held, uint32_t process)
{
    return (held >> (BOARD_PROCESSES * BOARD_THREADS + process) & 1) != 0;
}

/* How many connections the living hold. */
static inline uint32_t board_count(uint64_t held)
{
    uint64_t living = held & ((1ull << BOARD_PROCESSES * BOARD_THREADS) - 1);
    for (uint32_t i = 0; i < BOARD_PROCESSES; i++)
        if (board_doomed(held, i))
            living &= ~board_bits(i);
    return (uint32_t)__builtin_popcountll(living);
}

static inline uint64_t board_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void board_nap_us(uint32_t us)
{
    const struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* splitmix64: one seed, one storm. */
static inline uint64_t board_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t board_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(board_random(state) % bound);
}

#endif
