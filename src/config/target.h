/* SPDX-License-Identifier: MIT
 * What a health probe is aimed at, as text: "HOST:PORT", "HOST:PORT/PATH", "unix:/PATH", a command, a percentage.
 * Pure; any thread; never allocates; looks no name up. */
#ifndef RESIL_CONFIG_TARGET_H
#define RESIL_CONFIG_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/enums.h"

enum { TARGET_HOST = 256, TARGET_TEXT = 512 };

struct target {
    enum probe_kind kind;
    char host[TARGET_HOST]; /* a name or an address without brackets; "" of sockets, commands and memory */
    uint16_t port;
    char text[TARGET_TEXT]; /* HTTP: the path, "/..."; EXEC: the command; else the path of a socket, or "" */
    uint32_t limit_ppm;     /* MEMORY */
};

/* target_parse(kind, text, length, out): false when the text is not of that kind; target_looks() tells what is. */
bool target_parse(enum probe_kind kind, const char *text, size_t length, struct target *out);
const char *target_looks(enum probe_kind kind);

#endif
