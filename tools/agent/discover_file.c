/* SPDX-License-Identifier: MIT
 * Files that change: their directories are watched, so that a file that is replaced, or appears, is seen as well. */
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "discover.h"

static struct loop_io events = {.fd = -1};
static void (*tell)(struct discoverer *);
static struct discoverer *const *all;

/* A volume of Kubernetes changes its files by replacing a link "..data" beside them. */
static bool concerns(const struct discoverer *discoverer, const char *name)
{
    const char *slash = strrchr(discoverer->source.what.name, '/');
    return strcmp(slash + 1, name) == 0 || strncmp(name, "..", 2) == 0;
}

/* The callback may not change the list: it sets a timer. */
static void dispatch(const struct inotify_event *event)
{
    for (struct discoverer *at = *all; at; at = at->next) {
        bool lost = (event->mask & IN_Q_OVERFLOW) != 0;
        if (at->source.what.kind != DISCOVERY_FILE || (at->watched != event->wd && !lost))
            continue;
        if (event->mask & IN_IGNORED)
            at->watched = -1;
        if (lost || event->mask & IN_IGNORED || (event->len && concerns(at, event->name)))
            tell(at);
    }
}

static void ready(void *data, uint32_t mask)
{
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t got;
    (void)data;
    (void)mask;
    while ((got = read(events.fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
            dispatch(event);
            at += (ssize_t)sizeof *event + (ssize_t)event->len;
        }
    }
}

bool discover_watch_open(struct agent *agent, void (*changed)(struct discoverer *), struct discoverer *const *list)
{
    tell = changed;
    all = list;
    events = (struct loop_io){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .ready = ready};
    return events.fd >= 0 && loop_watch(&agent->loop, &events, EPOLLIN);
}

void discover_watch_close(struct agent *agent)
{
    int fd = events.fd;
    loop_forget(&agent->loop, &events);
    if (fd >= 0)
        close(fd);
}

void discover_watch(struct discoverer *discoverer)
{
    const char *path = discoverer->source.what.name, *slash = strrchr(path, '/');
    char directory[DISCOVERY_NAME];
    if (events.fd < 0 || discoverer->source.what.kind != DISCOVERY_FILE || discoverer->watched >= 0)
        return;
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(directory, path, length);
    directory[length] = '\0';
    discoverer->watched = inotify_add_watch(events.fd, directory,
                                            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
}

void discover_unwatch(struct discoverer *discoverer)
{
    int watched = discoverer->watched;
    discoverer->watched = -1;
    for (const struct discoverer *at = *all; watched >= 0 && at; at = at->next)
        if (at->watched == watched) /* another file of the same directory */
            return;
    if (watched >= 0 && events.fd >= 0)
        inotify_rm_watch(events.fd, watched);
}
