/* SPDX-License-Identifier: MIT
 * Choosing a segment. */
#include "choose.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"
#include "segments.h"

#define STANDARD "/dev/shm/resil-"

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
    char *found = maps ? strstr(maps, STANDARD) : NULL;
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

/* A line for each: whose it is, and by which file its programs were started, which is what tells them apart. */
static int list_one(void *context, const char *path, uint32_t uid)
{
    unsigned *shown = context;
    char safe[ESCAPED(SEGMENT_PATH)], file[SEGMENT_PATH], safe_file[ESCAPED(SEGMENT_PATH)];
    struct segment segment;
    if ((*shown)++ == 0)
        fprintf(stderr, "segments that exist (choose one with --segment):\n");
    fprintf(stderr, "  %s  of uid %u", escape_text(safe, sizeof safe, path), (unsigned)uid);
    if (segments_may_read(uid) && segment_open(&segment, path, false) == SEGMENT_OK) {
        const struct seg_header *header = seg_header(&segment);
        copy_text(file, sizeof file, header->config_path, sizeof header->config_path);
        fprintf(stderr, ", rules of %s", file[0] ? escape_text(safe_file, sizeof safe_file, file) : "no file");
        munmap(segment.base, (size_t)segment.bytes);
    } else if (segments_may_read(uid)) {
        fprintf(stderr, ", cannot be used");
    }
    fputc('\n', stderr);
    return 0;
}

int choose_complain(const struct segment *segment, enum segment_result result)
{
    unsigned shown = 0;
    complain("%s%s%s", segment->error, segment->system_error ? ": " : "",
             segment->system_error ? strerror(segment->system_error) : "");
    if (result == SEGMENT_SYSTEM)
        return RESCTL_SYSTEM;
    if (result == SEGMENT_UNUSABLE && strncmp(segment->path, STANDARD, sizeof STANDARD - 1) == 0)
        fprintf(stderr, "programs share nothing by it; when it is deleted (rm), the next one makes it anew\n");
    segments_each(list_one, &shown);
    if (shown == 0)
        fprintf(stderr, "there is no segment in /dev/shm: no program has connected under libresil yet\n");
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
