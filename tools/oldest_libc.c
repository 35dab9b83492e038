/* SPDX-License-Identifier: MIT
 * What resctl takes from libc, by the names that every glibc has had since 2.17: linked against the libc of today these
 * functions are bound to versions that only a newer libc has, and resctl would not even start on an older system. The
 * definitions here are resctl's own: arguments, results and errno are libc's. Any thread; nothing allocates but
 * fmemopen. */
#include <features.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FIRST          "GLIBC_2.2.5"
#define FIRST_FMEMOPEN "GLIBC_2.2.5"
#define STAT_VERSION   1 /* of struct stat, as bits/stat.h had it: _STAT_VER */
#elif defined(__i386__)
#define FIRST          "GLIBC_2.0"
#define FIRST_FMEMOPEN "GLIBC_2.2"
#define STAT_VERSION   3
#elif defined(__aarch64__)
#define FIRST          "GLIBC_2.17"
#define FIRST_FMEMOPEN "GLIBC_2.17"
#define STAT_VERSION   0
#endif

/* ---- the start: what crt1.o asks for, by the name that the linker's --wrap gives it (Makefile) */

typedef void (*constructor)(int, char **, char **);
extern const constructor __preinit_array_start[] __attribute__((visibility("hidden")));
extern const constructor __preinit_array_end[] __attribute__((visibility("hidden")));
extern const constructor __init_array_start[] __attribute__((visibility("hidden")));
extern const constructor __init_array_end[] __attribute__((visibility("hidden")));

/* stack: of the main thread. loader_fini: what the dynamic loader wants done at exit. */
#define START_ARGUMENTS                                                                                                \
    int (*program)(int, char **, char **), int argc, char **argv, constructor init, void (*fini)(void),                \
        void (*loader_fini)(void), void *stack

int __wrap___libc_start_main(START_ARGUMENTS);

#ifndef FIRST /* a machine whose versions are not known here: the newest */

int __real___libc_start_main(START_ARGUMENTS);

int __wrap___libc_start_main(START_ARGUMENTS)
{
    return __real___libc_start_main(program, argc, argv, init, fini, loader_fini, stack);
}

#else

int first_libc_start_main(START_ARGUMENTS);
__asm__(".symver first_libc_start_main,__libc_start_main@" FIRST);

/* Until 2.34 every program brought the function that runs its constructors along; a newer crt1.o has none to give. */
static void run_constructors(int argc, char **argv, char **environment)
{
    for (const constructor *one = __preinit_array_start; one < __preinit_array_end; one++)
        (*one)(argc, argv, environment);
    for (const constructor *one = __init_array_start; one < __init_array_end; one++)
        (*one)(argc, argv, environment);
}

int __wrap___libc_start_main(START_ARGUMENTS)
{
    return first_libc_start_main(program, argc, argv, init ? init : run_constructors, fini, loader_fini, stack);
}

/* ---- 2.33: until then these were inline, around functions that were told the version of struct stat */

#if __GLIBC_PREREQ(2, 33)
int __xstat(int version, const char *path, struct stat *out);
int __lxstat(int version, const char *path, struct stat *out);
int __fxstat(int version, int fd, struct stat *out);
int __fxstatat(int version, int directory, const char *path, struct stat *out, int flags);

int stat(const char *restrict path, struct stat *restrict out)
{
    return __xstat(STAT_VERSION, path, out);
}

int lstat(const char *restrict path, struct stat *restrict out)
{
    return __lxstat(STAT_VERSION, path, out);
}

int fstat(int fd, struct stat *out)
{
    return __fxstat(STAT_VERSION, fd, out);
}

int fstatat(int directory, const char *restrict path, struct stat *restrict out, int flags)
{
    return __fxstatat(STAT_VERSION, directory, path, out, flags);
}
#endif

/* ---- 2.22: the older one writes and ends texts as we need it; it differs in "b", in appending, and for no bytes at
 * all */

FILE *first_fmemopen(void *bytes, size_t size, const char *mode);
__asm__(".symver first_fmemopen,fmemopen@" FIRST_FMEMOPEN);

FILE *fmemopen(void *bytes, size_t size, const char *mode)
{
    return first_fmemopen(bytes, size, mode);
}

/* ---- 2.25 */

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    return syscall(SYS_getrandom, bytes, size, flags);
}

/* ---- 2.28, there alone: the same with locks of large files, which nobody here takes */

#ifdef __i386__
int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    return (int)syscall(SYS_fcntl64, fd, command, argument);
}
#endif

#endif
