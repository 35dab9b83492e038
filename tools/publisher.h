/* SPDX-License-Identifier: MIT
 * Changing the rules of a segment while programs run: loading them anew, and laying values over them.
 *
 * For every tool that changes rules: `reload`, `set`, `chaos`, and the agent (discovered endpoints, SIGHUP). Each call
 * is one publication: it takes the publisher's word (waiting for a living holder, at most some seconds), reads what is
 * current, writes the other slot and moves the generation. Who dies in between leaves the old rules. Not for two
 * threads at once; allocates.
 */
#ifndef RESCTL_PUBLISHER_H
#define RESCTL_PUBLISHER_H

#include "config/overlay.h"
#include "segment/segment.h"

enum { PUBLISHER_ERRORS = 1 << 14 };

enum publisher_result {
    PUBLISHER_OK,
    PUBLISHER_SAME,   /* it stands so already: no new generation */
    PUBLISHER_BAD,    /* errors: nothing was changed */
    PUBLISHER_DENIED, /* errors: the configuration forbids it */
    PUBLISHER_NONE,   /* errors: there are no rules that values could be laid over */
    PUBLISHER_BUSY    /* errors: somebody else keeps publishing, or the segment or our memory has no place for us */
};

/* What a call did, or why it did nothing. */
struct publisher_report {
    char errors[PUBLISHER_ERRORS]; /* lines, "" when there were none */
    unsigned error_count;
    char notes[PUBLISHER_ERRORS]; /* lines: what was done besides, such as values that were dropped */
    uint64_t generation;
    char config_path[512]; /* "" when built in */
    uint32_t destinations, added, retired;
};

struct publisher {
    struct segment *segment; /* opened for writing */
    const char *program;     /* whom events and overrides name */
    uint32_t owner;          /* in the registry; 0: the calls enter it and leave it again */
};

/* publisher_load(publisher, path, inline_text, report): compiles and publishes. path NULL: the file that is loaded now,
 * or what the search order gives where that was the built-in text. inline_text NULL: as it is now. Values laid over the
 * rules stay where their destination is still there; the others are dropped, with a note. A bad file changes nothing
 * but what `status` tells of it. */
enum publisher_result publisher_load(const struct publisher *publisher, const char *path, const char *inline_text,
                                     struct publisher_report *report);

/* A value to be laid over the rules, or with value NULL to be taken away: then key < 0 means every key of the
 * destination, and destination NULL every destination. */
struct publisher_change {
    const char *destination;
    int key;
    const char *value;
    uint64_t until_ns; /* CLOCK_MONOTONIC, LIVE_FOREVER */
    enum live_source source;
};

/* publisher_change(publisher, change, count, report): all of them in one publication, or none. */
enum publisher_result publisher_change(const struct publisher *publisher, const struct publisher_change *change,
                                       uint32_t count, struct publisher_report *report);

/* The exit code of a result; complaints are printed. subject: the subcommand's name. */
int publisher_exit(enum publisher_result result, const struct publisher_report *report, const char *subject);

#endif
