/* SPDX-License-Identifier: MIT
 * The faults of each text that any rules ever held, parsed once and kept for ever: connections point to them, and
 * counts (count=) are of a text, however often the rules around it are published anew. There are as many as people
 * wrote. Any thread; signal safe. */
#ifndef RESIL_CONN_SPECS_H
#define RESIL_CONN_SPECS_H

#include "policy/fault.h"

/* specs_find(text): its faults; NULL when it is not legal, or without memory. */
const struct faults *specs_find(const char *text);

#endif
