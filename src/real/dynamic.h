/* SPDX-License-Identifier: MIT
 * dlsym(), in the version that every glibc has: libc's headers of today would bind it to GLIBC_2.34, and the library
 * could be preloaded into no program of an older system. Until 2.34 it stood in libdl.so.2, which the library therefore
 * names as needed (Makefile); since then that is an empty shell. */
#ifndef RESIL_REAL_DYNAMIC_H
#define RESIL_REAL_DYNAMIC_H

#include <dlfcn.h>

#if defined(__x86_64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
#elif defined(__i386__)
__asm__(".symver dlsym,dlsym@GLIBC_2.0");
#elif defined(__aarch64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.17");
#endif

#endif
