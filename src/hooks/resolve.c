/* SPDX-License-Identifier: MIT
 * Lookups: which name an address comes from. Good results are the real ones, untouched; of those that failed some have
 * an answer all the same (conn/lookup.h). */
#include <errno.h>

#include "conn/host.h"
#include "conn/lookup.h"
#include "conn/names.h"
#include "hooks/hook.h"

HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    names_enter();
    int result = real.getaddrinfo(node, service, hints, list);
    names_leave();
    if (__builtin_expect(result != 0, 0) && !host.inert)
        result = lookup_addrinfo(node, service, hints, list, result);
    if (result == 0 && node && !host.inert)
        names_add_list(node, *list);
    return result;
}

/* The variants without _r answer out of memory that the next call overwrites, here as in libc. */
static struct hostent *answer(const char *name, int family)
{
    static struct hostent entry;
    static char room[512];
    if (lookup_host(name, family, h_errno, &entry, room, sizeof room) != LOOKUP_FOUND)
        return NULL;
    h_errno = 0;
    return &entry;
}

HOOK struct hostent *gethostbyname(const char *name)
{
    names_enter();
    struct hostent *host_entry = real.gethostbyname(name);
    names_leave();
    if (!host_entry && !host.inert)
        host_entry = answer(name, AF_INET);
    if (host_entry && !host.inert)
        names_add_host(name, host_entry);
    return host_entry;
}

HOOK struct hostent *gethostbyname2(const char *name, int family)
{
    names_enter();
    struct hostent *host_entry = real.gethostbyname2(name, family);
    names_leave();
    if (!host_entry && !host.inert)
        host_entry = answer(name, family);
    if (host_entry && !host.inert)
        names_add_host(name, host_entry);
    return host_entry;
}

/* What the _r variants return when they have not found it. */
static int answer_r(const char *name, int family, struct hostent *entry, char *buf, size_t size, struct hostent **found,
                    int *error, int result)
{
    if (result == ERANGE)
        return result;
    switch (lookup_host(name, family, *error, entry, buf, size)) {
    case LOOKUP_NOTHING:
        return result;
    case LOOKUP_NO_ROOM:
        *error = NETDB_INTERNAL;
        errno = ERANGE;
        return ERANGE;
    case LOOKUP_FOUND:
        break;
    }
    *error = NETDB_SUCCESS;
    *found = entry;
    return 0;
}

HOOK int gethostbyname_r(const char *name, struct hostent *entry, char *buf, size_t size, struct hostent **found,
                         int *error)
{
    names_enter();
    int result = real.gethostbyname_r(name, entry, buf, size, found, error);
    names_leave();
    if (!*found && !host.inert)
        result = answer_r(name, AF_INET, entry, buf, size, found, error, result);
    if (result == 0 && *found && !host.inert)
        names_add_host(name, *found);
    return result;
}

HOOK int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buf, size_t size,
                          struct hostent **found, int *error)
{
    names_enter();
    int result = real.gethostbyname2_r(name, family, entry, buf, size, found, error);
    names_leave();
    if (!*found && !host.inert)
        result = answer_r(name, family, entry, buf, size, found, error, result);
    if (result == 0 && *found && !host.inert)
        names_add_host(name, *found);
    return result;
}
