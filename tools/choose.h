/* SPDX-License-Identifier: MIT
 * Which segment a subcommand works on: --segment, --pid, --uid, $RESIL_SEGMENT, else the user's own. */
#ifndef RESCTL_CHOOSE_H
#define RESCTL_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "segment/segment.h"

struct choice {
    const char *segment;
    const char *config; /* NULL: as the environment says */
    int64_t pid, uid;   /* -1: not given */
};

#define CHOICE_NONE ((struct choice){.segment = NULL, .config = NULL, .pid = -1, .uid = -1})

/* choose_given(choice): whether the user named a segment, by an option or by the environment. */
bool choose_given(const struct choice *choice);

/* The four rows of a subcommand's option table. */
/* clang-format off */
#define CHOICE_OPTIONS(choice)                                                          \
    {"segment", 's', OPTION_TEXT, &(choice).segment, "PATH", "the segment with this path"}, \
    {"pid", 'p', OPTION_NUMBER, &(choice).pid, "PID", "the segment of this process"},       \
    {"uid", 'u', OPTION_NUMBER, &(choice).uid, "UID", "the plain segment of this user"},    \
    {"config", 'c', OPTION_TEXT, &(choice).config, "FILE", "the segment of programs that were started with this file"}
/* clang-format on */

/* choose_path(choice, out, size): RESCTL_OK, or an exit code after a complaint. */
int choose_path(const struct choice *choice, char *out, size_t size);

/* choose_open(choice, writable, segment): opens the chosen segment; RESCTL_OK, or an exit code after a complaint that
 * lists the segments that do exist. */
int choose_open(const struct choice *choice, bool writable, struct segment *segment);

/* choose_complain(segment, result): what choose_open() says of a failed segment_open(); returns the exit code. */
int choose_complain(const struct segment *segment, enum segment_result result);

#endif
