/* SPDX-License-Identifier: MIT
 * The spool's directory. */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { NAME = 64, DIGITS = 20 };

#define WAITING ".req"
#define SENT    ".sent"

static char *name_of(char *out, const char *folder, uint64_t number, const char *end)
{
    snprintf(out, NAME, "%s%0*" PRIu64 "%s", folder, DIGITS, number, end);
    return out;
}

/* "NNN.req" or "NNN.sent". */
static bool parse_name(const char *name, struct spool_item *item)
{
    if (strspn(name, "0123456789") != DIGITS)
        return false;
    errno = 0;
    item->number = strtoull(name, NULL, 10);
    item->sent = strcmp(name + DIGITS, SENT) == 0;
    return errno == 0 && (item->sent || strcmp(name + DIGITS, WAITING) == 0);
}

/* A lock of its own: one that is inherited does not keep siblings apart. */
static int take_lock(const struct spool *spool, const char *name, int how)
{
    int fd = openat(spool->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int result = -1;
    while (fd >= 0 && (result = flock(fd, how)) != 0 && errno == EINTR)
        ;
    if (fd >= 0 && result != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Children of a writer that was killed end with it, but not at the same instant. */
static int take_role(const struct spool *spool, enum spool_role role)
{
    const uint64_t patience_ns = 1000000000, end_ns = clock_now_ns() + patience_ns;
    const struct timespec pause = {.tv_nsec = 10000000};
    for (;;) {
        int fd = take_lock(spool, role == SPOOL_WRITES ? "stub.lock" : "replay.lock", LOCK_EX | LOCK_NB);
        if (fd >= 0 || errno != EWOULDBLOCK || clock_now_ns() > end_ns)
            return fd;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static bool make_folder(int at, const char *name)
{
    return mkdirat(at, name, 0700) == 0 || errno == EEXIST;
}

/* Nobody was told that these are kept. */
static void clear_unfinished(const struct spool *spool)
{
    int fd = openat(spool->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(fd, entry->d_name, 0);
    if (folder)
        closedir(folder);
}

static int by_number(const void *a, const void *b)
{
    const struct spool_item *left = a, *right = b;
    return left->number < right->number ? -1 : left->number > right->number;
}

static bool gather(DIR *folder, struct spool_item **items, size_t *count)
{
    size_t room = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct spool_item item;
        if (!parse_name(entry->d_name, &item))
            continue;
        if (*count == room) {
            room = room * 2 + 64;
            struct spool_item *more = realloc(*items, room * sizeof **items);
            if (!more)
                return false;
            *items = more;
        }
        (*items)[(*count)++] = item;
    }
    return true;
}

static bool list_folder(const struct spool *spool, const char *name, struct spool_item **items, size_t *count)
{
    *items = NULL;
    *count = 0;
    int fd = openat(spool->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    int lock = take_lock(spool, "order.lock", LOCK_EX); /* a later one is never seen without those before it */
    bool good = folder && lock >= 0 && gather(folder, items, count);
    if (lock >= 0)
        close(lock);
    if (folder)
        closedir(folder);
    if (good && *count > 0)
        qsort(*items, *count, sizeof **items, by_number);
    return good;
}

bool spool_list(const struct spool *spool, struct spool_item **items, size_t *count)
{
    return list_folder(spool, ".", items, count);
}

/* The highest number in use, refused ones included: they keep their names. */
static bool find_newest(struct spool *spool)
{
    uint64_t newest = 0;
    spool->newest = mmap(NULL, sizeof *spool->newest, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (spool->newest == MAP_FAILED)
        return false;
    for (int i = 0; i < 2; i++) {
        struct spool_item *items;
        size_t count;
        if (!list_folder(spool, i ? "refused" : ".", &items, &count))
            return false;
        if (count > 0 && items[count - 1].number > newest)
            newest = items[count - 1].number;
        free(items);
    }
    atomic_store(spool->newest, newest);
    return true;
}

bool spool_open(const char *path, enum spool_role role, struct spool *spool, const char **error)
{
    *spool = (struct spool){.dir = -1, .lock = -1};
    *error = NULL;
    if (role == SPOOL_WRITES)
        make_folder(AT_FDCWD, path);
    spool->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool usable = spool->dir >= 0 && make_folder(spool->dir, "tmp") && make_folder(spool->dir, "refused");
    if (usable) {
        spool->lock = take_role(spool, role);
        usable = spool->lock >= 0;
        if (!usable && errno == EWOULDBLOCK)
            *error = role == SPOOL_WRITES ? "another stub writes to it" : "another replay is at it";
    }
    if (usable && role == SPOOL_WRITES) {
        clear_unfinished(spool);
        usable = find_newest(spool) && fsync(spool->dir) == 0;
    }
    if (!usable && !*error)
        *error = strerror(errno);
    return usable;
}

/* ---- writing -------------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static bool write_file(const struct spool *spool, const char *name, const void *bytes, size_t length)
{
    int fd = openat(spool->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool good = write_all(fd, bytes, length) && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* Its place in the line: numbers are given, and appear, one after the other. */
static bool give_place(const struct spool *spool, const char *name)
{
    char final[NAME];
    int lock = take_lock(spool, "order.lock", LOCK_EX);
    if (lock < 0)
        return false;
    name_of(final, "", atomic_fetch_add(spool->newest, 1) + 1, WAITING);
    bool moved = renameat(spool->dir, name, spool->dir, final) == 0;
    bool kept = moved && fsync(spool->dir) == 0;
    if (moved && !kept)
        unlinkat(spool->dir, final, 0); /* the client is told that it failed */
    close(lock);
    return kept;
}

bool spool_put(const struct spool *spool, const void *bytes, size_t length)
{
    uint64_t random = 0;
    char name[NAME];
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return false;
    snprintf(name, sizeof name, "tmp/%016" PRIx64, random);
    if (write_file(spool, name, bytes, length) && give_place(spool, name))
        return true;
    int saved = errno;
    unlinkat(spool->dir, name, 0);
    errno = saved;
    return false;
}

/* ---- reading -------------------------------------------------------------------------------------- */

bool spool_read(const struct spool *spool, const struct spool_item *item, char **bytes, size_t *length)
{
    char name[NAME];
    struct stat status;
    size_t used = 0;
    int fd = openat(spool->dir, name_of(name, "", item->number, item->sent ? SENT : WAITING),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *bytes = NULL;
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (*bytes = malloc((size_t)status.st_size + 1)) != NULL) {
        ssize_t got;
        while (used < (size_t)status.st_size && (got = read(fd, *bytes + used, (size_t)status.st_size - used)) > 0)
            used += (size_t)got;
    }
    close(fd);
    *length = used;
    return *bytes != NULL && used == (size_t)status.st_size;
}

/* ---- steps of a delivery -------------------------------------------------------------------------- */

static bool move(const struct spool *spool, uint64_t number, const char *from, const char *folder, const char *to)
{
    char old[NAME], new[NAME];
    name_of(old, "", number, from);
    name_of(new, folder, number, to);
    return renameat(spool->dir, old, spool->dir, new) == 0 && fsync(spool->dir) == 0;
}

bool spool_begin(const struct spool *spool, struct spool_item *item)
{
    if (!item->sent && !move(spool, item->number, WAITING, "", SENT))
        return false;
    return item->sent = true;
}

bool spool_done(const struct spool *spool, const struct spool_item *item)
{
    char name[NAME];
    name_of(name, "", item->number, item->sent ? SENT : WAITING);
    return unlinkat(spool->dir, name, 0) == 0 && fsync(spool->dir) == 0;
}

bool spool_refuse(const struct spool *spool, const struct spool_item *item)
{
    int folder = openat(spool->dir, "refused", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = folder >= 0 && move(spool, item->number, item->sent ? SENT : WAITING, "refused/", WAITING) &&
                fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return good;
}
