/* SPDX-License-Identifier: MIT
 * Looking through /dev/shm. */
#include "segments.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/dev/shm"
#define PREFIX    "resil-"

/* What is being made, or is another library's, has other names. */
static int is_segment(const struct dirent *entry)
{
    struct stat st;
    char path[sizeof DIRECTORY + sizeof entry->d_name];
    snprintf(path, sizeof path, DIRECTORY "/%s", entry->d_name);
    return strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0 && !strstr(entry->d_name, SEGMENT_UNFINISHED) &&
           lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int segments_each(int (*visit)(void *context, const char *path, uint32_t uid), void *context)
{
    struct dirent **entry = NULL;
    int count = scandir(DIRECTORY, &entry, is_segment, alphasort), worst = 0;
    for (int i = 0; i < count; i++) {
        struct stat st;
        char path[sizeof DIRECTORY + sizeof entry[i]->d_name];
        snprintf(path, sizeof path, DIRECTORY "/%s", entry[i]->d_name);
        int code = lstat(path, &st) == 0 ? visit(context, path, st.st_uid) : 0;
        worst = code > worst ? code : worst;
        free(entry[i]);
    }
    free(entry);
    return worst;
}

bool segments_may_read(uint32_t uid)
{
    return geteuid() == 0 || geteuid() == uid;
}
