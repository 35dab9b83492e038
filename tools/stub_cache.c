/* SPDX-License-Identifier: MIT
 * The last good answer to a GET, a file for each, and how it is learned.
 *
 * A file holds the target, a line end, and the answer as it came. Its name is a hash of the target: at most so many
 * files, of two targets with one hash the later one is kept. Written beside and renamed: readers never see half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "dial.h"
#include "policy/balance.h"
#include "print.h"
#include "stub.h"

enum { FILES = 4096, PATH = 4096 };

static void path_of(const struct stub *stub, const char *target, char *out, const char *end)
{
    unsigned slot = (unsigned)(balance_hash(target, strlen(target)) % FILES);
    snprintf(out, PATH, "%s/%04u%s", stub->cache, slot, end);
}

static void keep(const struct stub *stub, const char *target, const struct message *answer)
{
    char path[PATH], beside[PATH], end[32];
    snprintf(end, sizeof end, ".new-%ld", (long)getpid());
    path_of(stub, target, path, "");
    path_of(stub, target, beside, end);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "%s\n", target);
    fwrite(answer->bytes, 1, answer->used, file);
    bool good = !ferror(file);
    if (fclose(file) != 0 || !good || rename(beside, path) != 0)
        unlink(beside);
}

static bool has(const struct message *message, const char *name)
{
    size_t at = 0, length;
    for (const char *line; (line = message_line(message, &at, &length)) != NULL;)
        if (message_line_is(line, length, name))
            return true;
    return false;
}

static bool says(const struct message *message, const char *name, const char *word)
{
    char value[512];
    const char *found = message_header(message, name, value, sizeof value);
    return found && strcasestr(found, word);
}

/* A copy is for everybody: not of what is one user's, or what its server wants nobody to keep. */
static bool may_keep(const struct message *request, const struct message *answer)
{
    bool personal = request && (has(request, "Authorization") || has(request, "Cookie") || has(request, "Range"));
    return !personal && answer->status == 200 && !has(answer, "Set-Cookie") &&
           !says(answer, "Cache-Control", "no-store") && !says(answer, "Cache-Control", "private");
}

/* The client's own headers, but one connection for one exchange, and nothing that makes the answer partial. */
static size_t build(const struct message *request, const char *target, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "GET %s HTTP/1.1\r\n", target), at = 0, length;
    if (!request)
        return used + (size_t)snprintf(out + used, size - used, "Host: localhost\r\nConnection: close\r\n\r\n");
    message_line(request, &at, &length);
    for (const char *line; (line = message_line(request, &at, &length)) != NULL;) {
        static const char *const ours[] = {"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade",
                                           "TE",         "Expect",     "If-None-Match",    "If-Modified-Since"};
        bool drop = false;
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            drop |= message_line_is(line, length, ours[i]);
        if (!drop && used + length + 2 < size) {
            memcpy(out + used, line, length);
            memcpy(out + used + length, "\r\n", 2);
            used += length + 2;
        }
    }
    return used + (size_t)snprintf(out + used, size - used, "Connection: close\r\n\r\n");
}

bool stub_fetch(const struct stub *stub, const struct message *request, const char *target, struct message *fresh)
{
    static char text[MESSAGE_HEAD + MESSAGE_TARGET];
    const char *error;
    size_t length = build(request, target, text, sizeof text - 64);
    uint64_t end_ns = clock_now_ns() + (uint64_t)stub->timeout_ns;
    *fresh = (struct message){0};
    int fd = dial_connect(stub->upstream, stub->timeout_ns, &error);
    if (fd < 0)
        return false;
    bool good = dial_write(fd, text, length, end_ns) &&
                message_answer(fd, stub->max_bytes, end_ns, fresh) == MESSAGE_OK && fresh->status < 500 &&
                fresh->status != 408 && fresh->status != 429;
    close(fd);
    if (good && may_keep(request, fresh))
        keep(stub, target, fresh);
    return good;
}

static bool load(const char *path, struct message *copy, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool good = fstat(fd, status) == 0 && S_ISREG(status->st_mode) &&
                (copy->bytes = malloc((size_t)status->st_size + 1)) != NULL;
    while (good && copy->used < (size_t)status->st_size) {
        ssize_t got = read(fd, copy->bytes + copy->used, (size_t)status->st_size - copy->used);
        good = got > 0;
        copy->used += good ? (size_t)got : 0;
    }
    close(fd);
    return good;
}

bool stub_copy(const struct stub *stub, const char *target, struct message *copy, uint64_t *age_s)
{
    char path[PATH];
    struct stat status;
    size_t length = strlen(target);
    *copy = (struct message){0};
    path_of(stub, target, path, "");
    bool good = load(path, copy, &status) && copy->used > length && memcmp(copy->bytes, target, length) == 0 &&
                copy->bytes[length] == '\n';
    if (!good) {
        message_free(copy);
        return false;
    }
    copy->used -= length + 1;
    memmove(copy->bytes, copy->bytes + length + 1, copy->used);
    if (!message_find_head(copy)) {
        message_free(copy);
        return false;
    }
    time_t now = time(NULL);
    *age_s = now > status.st_mtime ? (uint64_t)(now - status.st_mtime) : 0;
    return true;
}
