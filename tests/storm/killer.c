/* SPDX-License-Identifier: MIT
 * killer BOARD SEED KILLS MAX_PAUSE_US WORKER MODE HOST PORT: keeps eight workers running under
 * LD_PRELOAD=$STORM_PRELOAD, ends one of them at a random moment, starts its successor, KILLS times; then ends all, and
 * prints how often it did so. A worker and its children are one process group; they are gone when waitpid() knows of no
 * more. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "board.h"

static struct board *board;
static pid_t worker[BOARD_PROCESSES];
static char **command; /* WORKER MODE HOST PORT */
static uint64_t seed;

static void start(uint32_t process)
{
    char number[16], life[16], random[32];
    uint32_t incarnation = atomic_load(&board->incarnation[process]);
    snprintf(number, sizeof number, "%u", process);
    snprintf(life, sizeof life, "%u", incarnation);
    snprintf(random, sizeof random, "%llu", (unsigned long long)(seed * 1000003 + incarnation * 8191 + process));
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("LD_PRELOAD", getenv("STORM_PRELOAD"), 1);
        execl(command[0], command[0], command[4], command[1], command[2], command[3], number, life, random, NULL);
        _exit(127);
    }
    setpgid(pid, pid);
    worker[process] = pid;
}

static void end(uint32_t process)
{
    uint64_t doomed = 1ull << (BOARD_PROCESSES * BOARD_THREADS + process);
    atomic_fetch_or(&board->held, doomed);
    kill(-worker[process], SIGKILL);
    while (waitpid(-worker[process], NULL, 0) > 0 || errno == EINTR)
        ;
    atomic_fetch_add(&board->incarnation[process], 1);
    atomic_fetch_and(&board->held, ~(board_bits(process) | doomed));
}

int main(int argc, char **argv)
{
    if (argc != 9)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    board = board_open(argv[1]);
    seed = strtoull(argv[2], NULL, 10);
    uint32_t kills = (uint32_t)atoi(argv[3]), pause_us = (uint32_t)atoi(argv[4]);
    char *own_command[] = {argv[5], argv[6], argv[7], argv[8], argv[1]};
    command = own_command;
    uint64_t random = seed, begun_ns = board_now_ns();
    for (uint32_t i = 0; i < BOARD_PROCESSES; i++)
        start(i);
    for (uint32_t i = 0; i < kills; i++) {
        board_nap_us(board_below(&random, pause_us));
        uint32_t process = board_below(&random, BOARD_PROCESSES);
        end(process);
        start(process);
    }
    for (uint32_t i = 0; i < BOARD_PROCESSES; i++)
        end(i);
    atomic_store(&board->steady, 1);
    printf("{\"kills\": %u, \"seconds\": %.3f, \"connects\": %llu, \"refused\": %llu, \"broken\": %llu, "
           "\"children\": %llu, \"most\": %llu, \"excess\": %llu, \"held\": %llu}\n",
           kills, (double)(board_now_ns() - begun_ns) / 1e9, (unsigned long long)atomic_load(&board->connects),
           (unsigned long long)atomic_load(&board->refused), (unsigned long long)atomic_load(&board->broken),
           (unsigned long long)atomic_load(&board->children), (unsigned long long)atomic_load(&board->most),
           (unsigned long long)atomic_load(&board->excess), (unsigned long long)atomic_load(&board->held));
    return 0;
}
