/* SPDX-License-Identifier: MIT
 * Choosing a segment. */
#include "choose.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"

#define DIRECTORY "/dev/shm"
#define PREFIX    "resil-"

/* An empty variable counts as none, as it does in the library. */
static const char *set_or_null(const char *value)
{
    return value && *value ? value : NULL;
}

/* As the library does: a relative RESIL_CONFIG means the directory where its reader started. */
static const char *absolute(const char *config, const char *directory, char *out, size_t size)
{
    if (!config || *config == '/')
        return config;
    snprintf(out, size, "%s/%s", directory, config);
    return out;
}

static int from_settings(const char *segment, const char *config, const char *rules, uint32_t uid, char *out,
                         size_t size)
{
    if (segment && strcmp(segment, "private") == 0) {
        complain("RESIL_SEGMENT is `private': such a segment is memory of one process, which nobody else can see");
        return RESCTL_SEGMENT;
    }
    if (segment)
        snprintf(out, size, "%s", segment);
    else
        segment_path(out, size, uid, config, rules);
    return RESCTL_OK;
}

/* The whole of a file of /proc, ended by two NULs; *length excludes them. NULL with errno set. */
static char *read_proc(int64_t pid, const char *name, size_t *length)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    size_t room = 1 << 16;
    char *text = take_memory(room + 2, 1);
    for (*length = 0;;) {
        size_t got = fread(text + *length, 1, room - *length, file);
        *length += got;
        if (got == 0 || *length < room)
            break;
        char *grown = take_memory(2 * room + 2, 1);
        memcpy(grown, text, room);
        free(text);
        text = grown;
        room *= 2;
    }
    fclose(file);
    return text;
}

/* The mapping itself is the truth about a process that has attached under a standard name. */
static bool find_mapping(int64_t pid, char *out, size_t size)
{
    size_t length;
    char *maps = read_proc(pid, "maps", &length);
    char *found = maps ? strstr(maps, DIRECTORY "/" PREFIX) : NULL;
    if (found)
        copy_text(out, size, found, strcspn(found, " \n"));
    free(maps);
    return found != NULL;
}

static const char *find_variable(const char *environment, const char *name)
{
    size_t length = strlen(name);
    for (const char *entry = environment; *entry; entry += strlen(entry) + 1)
        if (strncmp(entry, name, length) == 0 && entry[length] == '=')
            return set_or_null(entry + length + 1);
    return NULL;
}

static int of_process(int64_t pid, char *out, size_t size)
{
    char path[64];
    struct stat st;
    size_t length;
    snprintf(path, sizeof path, "/proc/%lld", (long long)pid);
    if (stat(path, &st) != 0) {
        complain("no process %lld", (long long)pid);
        return RESCTL_NO;
    }
    if (find_mapping(pid, out, size))
        return RESCTL_OK;
    char *environment = read_proc(pid, "environ", &length);
    if (!environment) {
        complain("cannot read the environment of process %lld: %s", (long long)pid, strerror(errno));
        return RESCTL_SYSTEM;
    }
    /* Where the process started is not known any more; where it is now is the best guess. */
    char link[64], directory[PATH_MAX] = "", config[2 * PATH_MAX];
    snprintf(link, sizeof link, "/proc/%lld/cwd", (long long)pid);
    ssize_t bytes = readlink(link, directory, sizeof directory - 1);
    directory[bytes > 0 ? bytes : 0] = '\0';
    int code = from_settings(find_variable(environment, "RESIL_SEGMENT"),
                             absolute(find_variable(environment, "RESIL_CONFIG"), directory, config, sizeof config),
                             find_variable(environment, "RESIL_RULES"), st.st_uid, out, size);
    free(environment);
    return code;
}

bool choose_given(const struct choice *choice)
{
    return choice->segment || choice->config || choice->pid >= 0 || choice->uid >= 0 ||
           set_or_null(getenv("RESIL_SEGMENT")) || set_or_null(getenv("RESIL_CONFIG")) ||
           set_or_null(getenv("RESIL_RULES"));
}

int choose_path(const struct choice *choice, char *out, size_t size)
{
    if ((choice->segment != NULL) + (choice->pid >= 0) + (choice->uid >= 0 || choice->config) > 1) {
        complain("only one of --segment, --pid and --uid can be given; --config goes with --uid alone");
        return RESCTL_USAGE;
    }
    if (choice->segment)
        return from_settings(choice->segment, NULL, NULL, 0, out, size);
    if (choice->pid >= 0)
        return of_process(choice->pid, out, size);
    char directory[PATH_MAX], config[2 * PATH_MAX];
    if (!getcwd(directory, sizeof directory))
        directory[0] = '\0';
    if (choice->config)
        return from_settings(NULL, absolute(choice->config, directory, config, sizeof config),
                             set_or_null(getenv("RESIL_RULES")), choice->uid >= 0 ? (uint32_t)choice->uid : geteuid(),
                             out, size);
    if (choice->uid >= 0)
        return from_settings(NULL, NULL, NULL, (uint32_t)choice->uid, out, size);
    return from_settings(set_or_null(getenv("RESIL_SEGMENT")),
                         absolute(set_or_null(getenv("RESIL_CONFIG")), directory, config, sizeof config),
                         set_or_null(getenv("RESIL_RULES")), geteuid(), out, size);
}

static void list_existing(void)
{
    unsigned shown = 0;
    DIR *directory = opendir(DIRECTORY);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char safe[ESCAPED(sizeof entry->d_name)];
        struct stat st;
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 ||
            fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (shown++ == 0)
            fprintf(stderr, "segments that exist (choose one with --segment):\n");
        fprintf(stderr, "  " DIRECTORY "/%s  of uid %u\n", escape_text(safe, sizeof safe, entry->d_name),
                (unsigned)st.st_uid);
    }
    if (directory)
        closedir(directory);
    if (shown == 0)
        fprintf(stderr, "there is no segment in " DIRECTORY ": no program has connected under libresil yet\n");
}

int choose_complain(const struct segment *segment, enum segment_result result)
{
    complain("%s", segment->error);
    if (result == SEGMENT_SYSTEM)
        return RESCTL_SYSTEM;
    list_existing();
    return RESCTL_SEGMENT;
}

int choose_open(const struct choice *choice, bool writable, struct segment *segment)
{
    char path[SEGMENT_PATH];
    int code = choose_path(choice, path, sizeof path);
    if (code != RESCTL_OK)
        return code;
    enum segment_result result = segment_open(segment, path, writable);
    return result == SEGMENT_OK ? RESCTL_OK : choose_complain(segment, result);
}
