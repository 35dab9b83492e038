/* SPDX-License-Identifier: MIT
 * The library's place and LD_PRELOAD. */
#include "preload.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_facts.h"
#include "print.h"

#define SEPARATORS ": " /* of LD_PRELOAD; neither can be quoted */
#define TOKEN      "$LIB"

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

/* $LIB of a loader: "lib/x86_64-linux-gnu" on Debian, "lib64" on others. */
static bool directory_of(const char *interpreter, char *out, size_t size)
{
    char resolved[PATH_MAX];
    if (!realpath(interpreter, resolved))
        return false;
    *strrchr(resolved, '/') = '\0';
    const char *directory = strncmp(resolved, "/usr/", 5) == 0 ? resolved + 4 : resolved;
    return *directory == '/' && snprintf(out, size, "%s", directory + 1) < (int)size;
}

bool preload_library(const char *value, const char *interpreter, char *out, size_t size)
{
    char directory[PATH_MAX];
    const char *token = strstr(value, TOKEN);
    if (!token)
        return snprintf(out, size, "%s", value) < (int)size;
    return directory_of(interpreter, directory, sizeof directory) &&
           snprintf(out, size, "%.*s%s%s", (int)(token - value), value, directory, token + strlen(TOKEN)) < (int)size;
}

/* The value that stands for PREFIX/$LIB, when our own loader finds the library there. */
static bool find_for_each_class(const char *self, size_t directory, char *out, size_t size)
{
    struct elf_facts own;
    char path[PATH_MAX + 8], prefix[PATH_MAX], library[PATH_MAX];
    snprintf(path, sizeof path, "%.*s..", (int)directory, self);
    return realpath(path, prefix) && !strchr(prefix, '$') && elf_read(self, &own) &&
           snprintf(out, size, "%s/" TOKEN "/" PRELOAD_LIBRARY, prefix[1] ? prefix : "") < (int)size &&
           preload_library(out, own.interpreter, library, sizeof library) && access(library, R_OK) == 0;
}

static bool can_be_preloaded(const char *path, const char *forbidden)
{
    if (!strpbrk(path, forbidden))
        return true;
    complain("%s: LD_PRELOAD cannot hold a path with a blank, a colon or a dollar sign", path);
    return false;
}

bool preload_find(char *out, size_t size)
{
    static const char *const places[] = {"", NULL, "../lib64/", "../lib/"}; /* NULL: ../$LIB */
    char self[PATH_MAX], path[PATH_MAX + 64], resolved[PATH_MAX];
    if (!preload_self(self, sizeof self))
        return false;
    size_t directory = (size_t)(strrchr(self, '/') + 1 - self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (!places[i]) {
            if (find_for_each_class(self, directory, out, size))
                return can_be_preloaded(out, SEPARATORS);
            continue;
        }
        snprintf(path, sizeof path, "%.*s%s" PRELOAD_LIBRARY, (int)directory, self, places[i]);
        if (!realpath(path, resolved) || access(resolved, R_OK) != 0)
            continue;
        if (!can_be_preloaded(resolved, SEPARATORS "$"))
            return false;
        snprintf(out, size, "%s", resolved);
        return true;
    }
    complain("no " PRELOAD_LIBRARY " beside %s, nor in ../$LIB, ../lib64 or ../lib of it", self);
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
