/* SPDX-License-Identifier: MIT
 * Registrations from before the connect. */
#include "conn/registration.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "real/raw.h"

enum { NOTED = 65536, LINE = 160, CHUNK = 2048 };

/* The set + 1 by descriptor, 0 = none. Any thread writes; a wrong one only costs a look. */
static _Atomic uint32_t noted[NOTED];

void registration_note(int epfd, int fd)
{
    if (fd >= 0 && fd < NOTED)
        atomic_store_explicit(&noted[fd], (uint32_t)epfd + 1, memory_order_relaxed);
}

int registration_set(int fd)
{
    return fd >= 0 && fd < NOTED ? (int)atomic_load_explicit(&noted[fd], memory_order_relaxed) - 1 : -1;
}

/* The number behind `name` in a line; false without one. */
static bool number_of(const char *line, const char *name, unsigned base, uint64_t *value)
{
    const char *at = strstr(line, name);
    bool any = false;
    *value = 0;
    for (at = at ? at + strlen(name) : ""; *at == ' '; at++)
        ;
    for (;; at++, any = true) {
        unsigned digit = *at >= '0' && *at <= '9' ? (unsigned)(*at - '0')
                         : *at >= 'a'             ? (unsigned)(*at - 'a' + 10)
                                                  : 99;
        if (digit >= base)
            return any;
        *value = *value * base + digit;
    }
}

/* "tfd:       10 events: 8000201d data:       7f0000000010  pos:0 ino:1a sdev:9" */
static void look_at(const char *line, int fd, struct epoll_event *event, int *found)
{
    uint64_t number, events, data;
    if (!number_of(line, "tfd:", 10, &number) || number != (uint64_t)fd || !number_of(line, "events:", 16, &events) ||
        !number_of(line, "data:", 16, &data))
        return;
    event->events = (uint32_t)events;
    event->data.u64 = data;
    ++*found;
}

/* How often the set has it; -1: it cannot be told. */
static int look_through(int file, int fd, struct epoll_event *event)
{
    char chunk[CHUNK], line[LINE];
    size_t length = 0;
    int found = 0;
    ssize_t bytes;
    while ((bytes = raw_read(file, chunk, sizeof chunk)) > 0) {
        for (ssize_t i = 0; i < bytes; i++) {
            if (chunk[i] != '\n') {
                line[length] = chunk[i];
                length += length + 1 < sizeof line;
                continue;
            }
            line[length] = '\0';
            look_at(line, fd, event, &found);
            length = 0;
        }
    }
    return bytes < 0 ? -1 : found;
}

enum registration registration_find(int fd, int *epfd, struct epoll_event *event)
{
    char path[64];
    uint32_t set = fd >= 0 && fd < NOTED ? atomic_load_explicit(&noted[fd], memory_order_relaxed) : 0;
    if (set == 0)
        return REGISTRATION_NONE;
    *epfd = (int)(set - 1);
    text_format(path, sizeof path, "/proc/self/fdinfo/%d", *epfd);
    int file = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
    int found = file >= 0 ? look_through(file, fd, event) : raw_fcntl(*epfd, F_GETFD, 0) < 0 ? 0 : -1;
    if (file >= 0)
        raw_close(file);
    if (found == 0)
        atomic_compare_exchange_strong(&noted[fd], &set, 0);
    return found == 0 ? REGISTRATION_NONE : found == 1 ? REGISTRATION_FOUND : REGISTRATION_UNKNOWN;
}
