/* SPDX-License-Identifier: MIT
 * The reader's view of a segment: what `status` and `demo` show. Computed without writing a byte, from a
 * mapping that is believed in nothing: every index is checked, every text bounded, the rules validated. */
#ifndef RESCTL_VIEW_H
#define RESCTL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "config/live.h"
#include "segment/segment.h"
#include "tables/enums.h"
#include "view_row.h"

struct view_destination {
    char name[SEG_NAME];
    const struct conf *conf; /* as it is now, in view.rules or what is laid over them; NULL: the rules do not have it */
    const struct rules *rules; /* in which conf is; NULL, too */
    const struct rule_destination *rule;
    const char *chaos;    /* its `chaos =', "" when there is none */
    uint32_t seg_row;     /* ROW_NONE: not a single call yet */
    struct view_row *row; /* the first is "*", the others its endpoints by name */
    uint32_t rows;
};

struct view_unmatched {
    char address[80];
    uint64_t count, last_ns;
};

struct view {
    const struct segment *segment;
    uint64_t now_ns, wall_ns;
    uint64_t generation, loaded_wall_ns, dropped, doubts, foreign;
    uint64_t rings, rings_denied; /* io_uring_setup() by syscall() */
    uint32_t major, minor, processes, loaded_pid;
    bool file_changed;                   /* the configuration file is not the one that was compiled */
    bool off;                            /* the kill switch */
    uint64_t off_for_ns;                 /* rest of a timed kill switch, 0: until somebody turns it on */
    char config_path[512];               /* "" when built in */
    char config_error[1024];             /* "" when good */
    char counter_name[SEG_COUNTERS][32]; /* "" from the first place without a name on */
    uint32_t counters;
    struct rules *rules;     /* a valid copy, or NULL */
    const struct live *live; /* what is laid over them, in the same memory; NULL: nothing */
    struct view_destination *destination;
    uint32_t destinations;
    struct view_unmatched unmatched[SEG_UNMATCHED]; /* the most frequent first */
    uint32_t unmatched_count;
};

/* view_take(segment): a view, to be given to view_release(). */
struct view *view_take(const struct segment *segment);
void view_release(struct view *view);

/* view_find(view, name): the destination, or NULL. */
const struct view_destination *view_find(const struct view *view, const char *name);

/* view_counter(view, row, name): a counter by its name in the segment's directory; 0 when it has none such. */
uint64_t view_counter(const struct view *view, const struct view_row *row, const char *name);

/* What a row's outcomes are for people: calls that went well (what that is depends on what the breaker takes for one),
 * calls that failed, calls that were refused. */
uint64_t view_ok(const struct view *view, const struct view_destination *destination, const struct view_row *row);
uint64_t view_failed(const struct view *view, const struct view_row *row);
uint64_t view_rejected(const struct view *view, const struct view_row *row);

/* view_reason(view, counter): the reason after which the counter of refusals at this index is called ("breaker"), or
 * NULL: it is none. */
const char *view_reason(const struct view *view, uint32_t counter);

/* view_limit(view, destination): the slots of its bulkhead at this moment, <= 0: no limit. */
int64_t view_limit(const struct view *view, const struct view_destination *destination);

/* view_mode(destination): "enforce", "observe", "off" or "retired"; out has VIEW_MODE bytes. */
enum { VIEW_MODE = 16 };
const char *view_mode(const struct view_destination *destination, char *out);

/* view_rules(segment): a valid copy of the published rules for free(), or NULL. view_published(segment, live): the
 * same, and what is laid over them; *live may be NULL. */
struct rules *view_rules(const struct segment *segment);
struct rules *view_published(const struct segment *segment, const struct live **live);

#endif
