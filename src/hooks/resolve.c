/* SPDX-License-Identifier: MIT
 * Lookups: which name an address comes from. Good results are the real ones, untouched; of those that failed some have
 * an answer all the same (conn/lookup.h). */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "conn/host.h"
#include "conn/inject_dns.h"
#include "conn/lookup.h"
#include "conn/names.h"
#include "hooks/hook.h"

/* Chaos instead of a lookup: 0, or the error of getaddrinfo(). */
static int injected_error(const char *node, const char *service, const struct addrinfo *hints)
{
    bool numeric = hints && (hints->ai_flags & AI_NUMERICHOST);
    int port = service ? atoi(service) : 0;
    if (numeric)
        return 0;
    enum inject_lookup what = inject_lookup(node, port > 0 && port < 65536 ? port : 0);
    return what == LOOKUP_FAILS ? EAI_AGAIN : what == LOOKUP_EMPTY ? EAI_NODATA : 0;
}

/* Likewise of gethostbyname(): true when h_errno is set. */
static bool injected_failure(const char *name, int *error)
{
    enum inject_lookup what = inject_lookup(name, 0);
    if (what == LOOKUP_REAL)
        return false;
    *error = what == LOOKUP_FAILS ? TRY_AGAIN : NO_DATA;
    return true;
}

/* Likewise of the _r variants: their result, -1 = the lookup is made. */
static int injected_result(const char *name, struct hostent **found, int *error)
{
    if (!injected_failure(name, error))
        return -1;
    *found = NULL;
    return *error == TRY_AGAIN ? EAGAIN : 0;
}

HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int result = injected_error(node, service, hints);
    names_enter();
    if (result == 0)
        result = real.getaddrinfo(node, service, hints, list);
    names_leave();
    bool good = result == 0;
    if (__builtin_expect(result != 0, 0) && !host.inert)
        result = lookup_addrinfo(node, service, hints, list, result);
    if (result == 0 && node && !host.inert)
        names_add_list(node, *list, good);
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
    bool fails = injected_failure(name, &h_errno);
    names_enter();
    struct hostent *host_entry = fails ? NULL : real.gethostbyname(name);
    names_leave();
    bool good = host_entry != NULL;
    if (!good && !host.inert)
        host_entry = answer(name, AF_INET);
    if (host_entry && !host.inert)
        names_add_host(name, host_entry, good);
    return host_entry;
}

HOOK struct hostent *gethostbyname2(const char *name, int family)
{
    bool fails = injected_failure(name, &h_errno);
    names_enter();
    struct hostent *host_entry = fails ? NULL : real.gethostbyname2(name, family);
    names_leave();
    bool good = host_entry != NULL;
    if (!good && !host.inert)
        host_entry = answer(name, family);
    if (host_entry && !host.inert)
        names_add_host(name, host_entry, good);
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
    int result = injected_result(name, found, error);
    names_enter();
    if (result < 0)
        result = real.gethostbyname_r(name, entry, buf, size, found, error);
    names_leave();
    bool good = *found != NULL;
    if (!good && !host.inert)
        result = answer_r(name, AF_INET, entry, buf, size, found, error, result);
    if (result == 0 && *found && !host.inert)
        names_add_host(name, *found, good);
    return result;
}

HOOK int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buf, size_t size,
                          struct hostent **found, int *error)
{
    int result = injected_result(name, found, error);
    names_enter();
    if (result < 0)
        result = real.gethostbyname2_r(name, family, entry, buf, size, found, error);
    names_leave();
    bool good = *found != NULL;
    if (!good && !host.inert)
        result = answer_r(name, family, entry, buf, size, found, error, result);
    if (result == 0 && *found && !host.inert)
        names_add_host(name, *found, good);
    return result;
}

/* The other way round: DNS knows nothing of the addresses that we make. */
HOOK int getnameinfo(const struct sockaddr *addr, socklen_t length, char *name, socklen_t name_size, char *service,
                     socklen_t service_size, int flags)
{
    size_t bytes = 0;
    if (!host.inert && name && name_size > 0 && !(flags & NI_NUMERICHOST))
        bytes = lookup_back(addr, length, name, name_size);
    if (__builtin_expect(bytes == 0, 1))
        return real.getnameinfo(addr, length, name, name_size, service, service_size, flags);
    if (bytes > name_size)
        return EAI_OVERFLOW;
    return service && service_size > 0
               ? real.getnameinfo(addr, length, NULL, 0, service, service_size, flags & ~NI_NAMEREQD)
               : 0;
}
