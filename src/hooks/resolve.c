/* SPDX-License-Identifier: MIT
 * Lookups: which name an address comes from. The results are the real ones, untouched. */
#include "conn/host.h"
#include "conn/names.h"
#include "hooks/hook.h"

HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    names_enter();
    int result = real.getaddrinfo(node, service, hints, list);
    names_leave();
    if (result == 0 && node && !host.inert)
        names_add_list(node, *list);
    return result;
}

HOOK struct hostent *gethostbyname(const char *name)
{
    names_enter();
    struct hostent *host_entry = real.gethostbyname(name);
    names_leave();
    if (host_entry && !host.inert)
        names_add_host(name, host_entry);
    return host_entry;
}

HOOK struct hostent *gethostbyname2(const char *name, int family)
{
    names_enter();
    struct hostent *host_entry = real.gethostbyname2(name, family);
    names_leave();
    if (host_entry && !host.inert)
        names_add_host(name, host_entry);
    return host_entry;
}

HOOK int gethostbyname_r(const char *name, struct hostent *entry, char *buf, size_t size, struct hostent **found,
                         int *error)
{
    names_enter();
    int result = real.gethostbyname_r(name, entry, buf, size, found, error);
    names_leave();
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
    if (result == 0 && *found && !host.inert)
        names_add_host(name, *found);
    return result;
}
