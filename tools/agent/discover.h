/* SPDX-License-Identifier: MIT
 * Discovery: looks where `discover =` says, and lays the endpoints found there over the rules (publisher.h), so that
 * running programs follow at their next connect. What cannot be used, or names no endpoint at all, changes nothing.
 *
 * One look is one child (source.h, or the user's command), bounded in time and size; one at a time for a destination.
 * A part of the agent (agent.h). */
#ifndef RESCTL_AGENT_DISCOVER_H
#define RESCTL_AGENT_DISCOVER_H

#include "agent.h"
#include "source.h"

/* A look has as long as discover.refresh, within these bounds; Consul besides as long as it was asked to wait. */
#define DISCOVER_LEAST_NS 1000000000ull
#define DISCOVER_MOST_NS  10000000000ull

enum { DISCOVER_BYTES = 1 << 17, DISCOVER_WHY = 256, DISCOVER_TEXT = 2048 };

/* What is done for one destination. */
struct discoverer {
    struct agent *agent;
    char name[SEG_NAME];      /* of the destination */
    char text[DISCOVER_TEXT]; /* what `discover` says */
    uint32_t row;             /* the destination's, in the segment */
    uint64_t refresh_ns;
    struct source source;
    struct loop_timer timer; /* the next look, or the end of the one that runs */
    struct loop_io output, ended;
    pid_t child; /* 0: none looks */
    bool blocks; /* CONSUL: the last answer had an index: the next question goes out at once */
    bool again;  /* the file changed while we looked */
    int watched; /* FILE: the inotify watch of its directory, -1: none */
    char *answer;
    size_t used;
    char why[DISCOVER_WHY]; /* the last failure, "" after a success */
    bool wanted;
    struct discoverer *next;
};

extern const struct agent_part discover_part;

/* discover_file.c: directories of files. All of them on one list. */
bool discover_watch_open(struct agent *agent, void (*changed)(struct discoverer *), struct discoverer *const *list);
void discover_watch_close(struct agent *agent);
void discover_watch(struct discoverer *discoverer); /* tries to, if it does not yet */
void discover_unwatch(struct discoverer *discoverer);

/* discover_answer.c: the lines of an answer into the value of `endpoints`. False with why. *count: how many; *index: of
 * a remark "# index N", else as it was. value: for free(). */
bool discover_read(const char *text, size_t length, bool trusted, char **value, unsigned *count, uint64_t *index,
                   char why[DISCOVER_WHY]);

#endif
