/* SPDX-License-Identifier: MIT
 * Reading what the configuration names. Nothing here may wait: a FIFO or a terminal in the place of the file
 * would otherwise hang the host program at its start. */
#include "config/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "real/raw.h"

const char *source_reason(int error, char *out, size_t size)
{
    static const struct {
        int error;
        const char *text;
    } reasons[] = {
        {ENOENT, "No such file or directory"},
        {EACCES, "Permission denied"},
        {EISDIR, "Is a directory"},
        {ENOTDIR, "Not a directory"},
        {ELOOP, "Too many levels of symbolic links"},
        {EIO, "Input/output error"},
        {ENAMETOOLONG, "File name too long"},
        {ENOMEM, "Cannot allocate memory"},
        {EFBIG, "larger than 1 MiB"},
        {EINVAL, "not a regular file"},
    };
    text_format(out, size, "error %d", error);
    for (size_t row = 0; row < sizeof reasons / sizeof reasons[0]; row++)
        if (reasons[row].error == error)
            text_copy(out, size, reasons[row].text);
    return out;
}

/* Until the end of the file, or one byte more than is allowed; bytes or -errno. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = raw_read(fd, out + used, size - used);
        if (got == -EINTR)
            continue;
        if (got < 0)
            return got;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

/* 0 or -errno. A character device may stand for a file: /dev/null is the usual empty one. */
static int read_open(int fd, struct source *source)
{
    struct raw_stat status;
    int error = raw_fstat(fd, &status);
    if (error)
        return error;
    if (S_ISDIR(status.mode))
        return -EISDIR;
    if (!S_ISREG(status.mode) && !S_ISCHR(status.mode))
        return -EINVAL;
    if (status.size > SOURCE_BYTES_MAX)
        return -EFBIG;
    source->text = raw_mmap(NULL, SOURCE_BYTES_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!source->text)
        return -ENOMEM;
    ssize_t got = read_all(fd, source->text, SOURCE_BYTES_MAX + 1);
    if (got < 0 || got > SOURCE_BYTES_MAX) {
        source_close(source);
        return got < 0 ? (int)got : -EFBIG;
    }
    source->length = (size_t)got;
    source->dev = status.dev;
    source->ino = status.ino;
    return 0;
}

int source_open(const char *path, struct source *source)
{
    *source = (struct source){0};
    int fd = raw_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int error = read_open(fd, source);
    raw_close(fd);
    return error;
}

void source_close(struct source *source)
{
    if (source->text)
        raw_munmap(source->text, SOURCE_BYTES_MAX + 1);
    source->text = NULL;
}

/* Puts name into the sorted names, of which the first limit are kept. */
static void insert_sorted(const char **names, size_t used, size_t limit, const char *name)
{
    size_t at = used < limit ? used : limit;
    while (at > 0 && strcmp(names[at - 1], name) > 0) {
        if (at < limit)
            names[at] = names[at - 1];
        at--;
    }
    if (at < limit)
        names[at] = name;
}

/* The records of one getdents64(), whose layout is the kernel's on every architecture. */
static long take_records(struct arena *arena, const char *buffer, size_t bytes, const char *glob, const char **names,
                         size_t limit, long used)
{
    for (size_t at = 0; at < bytes;) {
        unsigned short record_bytes;
        memcpy(&record_bytes, buffer + at + offsetof(struct dirent64, d_reclen), sizeof record_bytes);
        const char *name = buffer + at + offsetof(struct dirent64, d_name);
        bool shown = name[0] != '.' || glob[0] == '.';
        if (shown && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && text_glob(glob, name)) {
            insert_sorted(names, (size_t)used, limit, arena_copy(arena, name, strlen(name)));
            used++;
        }
        at += record_bytes;
    }
    return used;
}

long source_list(struct arena *arena, const char *directory, const char *glob, const char **names, size_t limit)
{
    _Alignas(8) char buffer[4096];
    long used = 0;
    int fd = raw_open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    for (;;) {
        long got = raw_syscall(SYS_getdents64, fd, (long)buffer, sizeof buffer, 0, 0, 0);
        if (got <= 0) {
            raw_close(fd);
            return got < 0 ? got : used;
        }
        used = take_records(arena, buffer, (size_t)got, glob, names, limit, used);
    }
}
