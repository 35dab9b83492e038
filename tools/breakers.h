/* SPDX-License-Identifier: MIT
 * DEST[/ENDPOINT] as a user types it, and the rows of the segment that it names. */
#ifndef RESCTL_BREAKERS_H
#define RESCTL_BREAKERS_H

#include "segment/gate.h"
#include "view.h"

struct breakers {
    const struct segment *segment; /* writable */
    const struct view *view;
    const char *subject; /* the subcommand, for complaints */
    const char *text;    /* as typed */
    const struct view_destination *destination;
    char name[SEG_NAME];
    const char *endpoint; /* NULL: the destination */
    bool balanced;        /* configured: its rules choose among endpoints */
    uint32_t row[SEG_ROWS];
    uint32_t rows; /* of a destination: its own row first, when it has one, then its endpoints' and fallbacks' */
};

/* breakers_find(breakers, configured): fills what is behind the text from the others. False after a complaint: there is
 * no such thing. configured: rows of the destination, and of the endpoints of its rules, are made where no call has
 * made them yet. */
bool breakers_find(struct breakers *breakers, bool configured);

/* breakers_gate(breakers, row): the gate at one of the rows, in the name of whoever runs this program. */
struct gate breakers_gate(const struct breakers *breakers, uint32_t row);

#endif
