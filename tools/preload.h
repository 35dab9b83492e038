/* SPDX-License-Identifier: MIT
 * Finding libresil.so and putting it into the environment of a program that is about to be executed. */
#ifndef RESCTL_PRELOAD_H
#define RESCTL_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/* preload_self(out, size): the path of this executable. */
bool preload_self(char *out, size_t size);

/* preload_find(out, size): the library beside this executable, else in ../lib/MULTIARCH, ../lib64 or ../lib of it.
 * False after a complaint. */
bool preload_find(char *out, size_t size);

/* preload_set(library, before): LD_PRELOAD becomes BEFORE:LIBRARY:what was in it already. before may be "". */
void preload_set(const char *library, const char *before);

#endif
