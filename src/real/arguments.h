/* SPDX-License-Identifier: MIT
 * The arguments of execl() and its like as an array. On the stack of the function that uses this, as libc does it: the
 * caller may be a vfork child, and may have any number of arguments. */
#ifndef RESIL_REAL_ARGUMENTS_H
#define RESIL_REAL_ARGUMENTS_H

#include <alloca.h>
#include <stdarg.h>
#include <stddef.h>

/* GATHER(name, first, rest): declares name, an array that ends with NULL; `rest` is executed with the va_list `args`
 * behind the arguments. */
#define GATHER(name, first, rest)                                                                                      \
    size_t count = 1;                                                                                                  \
    va_list args;                                                                                                      \
    va_start(args, first);                                                                                             \
    for (const char *each = first; each; each = va_arg(args, const char *))                                            \
        count++;                                                                                                       \
    rest;                                                                                                              \
    va_end(args);                                                                                                      \
    char **name = alloca(count * sizeof *name);                                                                        \
    va_start(args, first);                                                                                             \
    name[0] = (char *)(uintptr_t)first;                                                                                \
    for (size_t i = 1; i < count; i++)                                                                                 \
        name[i] = va_arg(args, char *);                                                                                \
    va_end(args)

#endif
