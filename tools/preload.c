/* SPDX-License-Identifier: MIT
 * The library's place and LD_PRELOAD. */
#include "preload.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "print.h"

#define LIBRARY    "libresil.so"
#define SEPARATORS ": " /* of LD_PRELOAD; neither can be quoted */

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__i386__)
#define MULTIARCH "i386-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#else
#define MULTIARCH "."
#endif

bool preload_self(char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    if (length <= 0) {
        complain("cannot read /proc/self/exe");
        return false;
    }
    out[length] = '\0';
    return true;
}

bool preload_find(char *out, size_t size)
{
    static const char *const places[] = {"", "../lib/" MULTIARCH "/", "../lib64/", "../lib/"};
    char self[PATH_MAX], path[PATH_MAX + 64], resolved[PATH_MAX];
    if (!preload_self(self, sizeof self))
        return false;
    size_t directory = (size_t)(strrchr(self, '/') + 1 - self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%.*s%s" LIBRARY, (int)directory, self, places[i]);
        if (!realpath(path, resolved) || access(resolved, R_OK) != 0)
            continue;
        if (strpbrk(resolved, SEPARATORS "$")) {
            complain("%s: LD_PRELOAD cannot hold a path with a blank, a colon or a dollar sign", resolved);
            return false;
        }
        snprintf(out, size, "%s", resolved);
        return true;
    }
    complain("no " LIBRARY " beside %s, nor in ../lib/" MULTIARCH ", ../lib64 or ../lib of it", self);
    return false;
}

/* Whether an entry of the old LD_PRELOAD is what we put before it anyway. */
static bool is_same(const char *entry, size_t length, const char *path)
{
    return strlen(path) == length && memcmp(entry, path, length) == 0;
}

void preload_set(const char *library, const char *before)
{
    const char *old = getenv("LD_PRELOAD");
    size_t size = strlen(library) + strlen(before) + (old ? strlen(old) : 0) + 4;
    char *value = take_memory(size, 1);
    size_t used = (size_t)snprintf(value, size, "%s%s%s", before, *before ? ":" : "", library);
    while (old && *old) {
        size_t length = strcspn(old, SEPARATORS);
        if (length && !is_same(old, length, library) && !is_same(old, length, before))
            used += (size_t)snprintf(value + used, size - used, ":%.*s", (int)length, old);
        old += length + (old[length] != '\0');
    }
    if (setenv("LD_PRELOAD", value, 1) != 0)
        complain("cannot set LD_PRELOAD");
    free(value);
}
