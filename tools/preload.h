/* SPDX-License-Identifier: MIT
 * Finding libresil.so and putting it into the environment of a program that is about to be executed. */
#ifndef RESCTL_PRELOAD_H
#define RESCTL_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/* preload_self(out, size): the path of this executable. */
bool preload_self(char *out, size_t size);

#define PRELOAD_LIBRARY "libresil.so"

/* preload_find(out, size): what LD_PRELOAD is to be: the library beside this executable, else `../$LIB/libresil.so' of
 * it, by which the loader of each class of programs finds its own, else the one in ../lib64 or ../lib. False after a
 * complaint. */
bool preload_find(char *out, size_t size);

/* preload_library(value, interpreter, out, size): the file that this dynamic loader makes of such a value. $LIB is the
 * directory of the loader itself, without a leading /usr. False when the loader does not exist. */
bool preload_library(const char *value, const char *interpreter, char *out, size_t size);

/* preload_set(library, before): LD_PRELOAD becomes BEFORE:LIBRARY:what was in it already. before may be "". */
void preload_set(const char *library, const char *before);

#endif
