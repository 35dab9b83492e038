/* SPDX-License-Identifier: MIT
 * Answers to lookups that failed. */
#include "conn/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/service.h"
#include "conn/host.h"
#include "conn/names.h"
#include "real/real.h"

static struct service_asker asker(void)
{
    return (struct service_asker){host.program, geteuid()};
}

static bool find_service(const char *name, struct service *out)
{
    const struct service_asker who = asker();
    int saved = errno;
    bool found = !host.inert && !names_resolving() && host_attach() && !host_off() && host_rules() &&
                 service_find(host_rules(), name, &who, out);
    errno = saved;
    return found;
}

/* Whether the name has an address of another family than the one that was asked for: then it exists, and the program
 * goes on with that. */
static bool exists_otherwise(const char *name)
{
    struct addrinfo *list = NULL;
    const struct addrinfo any = {.ai_socktype = SOCK_STREAM};
    names_enter();
    int result = real.getaddrinfo(name, NULL, &any, &list);
    names_leave();
    if (result == 0)
        freeaddrinfo(list);
    return result == 0;
}

static bool has_family(const struct service *found, int family)
{
    return family == AF_INET ? found->has_v4 : found->has_v4 || found->has_v6; /* IPv4 by mapped addresses */
}

/* ---- getaddrinfo ---------------------------------------------------------------------------------- */

static bool may_be_answered(const struct addrinfo *hints, int failed)
{
    if (failed != EAI_NONAME && failed != EAI_AGAIN && failed != EAI_FAIL && failed != EAI_NODATA &&
        failed != EAI_ADDRFAMILY)
        return false;
    return !hints ||
           (!(hints->ai_flags & AI_NUMERICHOST) && (hints->ai_socktype == 0 || hints->ai_socktype == SOCK_STREAM) &&
            (hints->ai_family == AF_UNSPEC || hints->ai_family == AF_INET || hints->ai_family == AF_INET6));
}

/* libc makes the list for a literal address: service, protocols and allocation are its own. */
static int list_of(const struct service *found, int family, const char *service, const struct addrinfo *hints,
                   struct addrinfo **list)
{
    uint8_t addr[16];
    char text[INET6_ADDRSTRLEN];
    struct addrinfo literal = {.ai_family = family, .ai_flags = AI_NUMERICHOST};
    if (hints) {
        literal.ai_socktype = hints->ai_socktype;
        literal.ai_protocol = hints->ai_protocol;
        literal.ai_flags |= hints->ai_flags & AI_NUMERICSERV;
    }
    service_address(found, family, addr);
    inet_ntop(family, addr, text, sizeof text);
    return real.getaddrinfo(text, service, &literal, list);
}

static void name_first(struct addrinfo *list, const char *name, const struct addrinfo *hints)
{
    if (hints && (hints->ai_flags & AI_CANONNAME) && !list->ai_canonname)
        list->ai_canonname = strdup(name); /* freed by freeaddrinfo() */
}

static void append(struct addrinfo *list, struct addrinfo *more)
{
    while (list->ai_next)
        list = list->ai_next;
    list->ai_next = more;
}

int lookup_addrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list,
                    int failed)
{
    struct service found;
    struct addrinfo *v4 = NULL, *v6 = NULL;
    int family = hints ? hints->ai_family : AF_UNSPEC;
    if (!node || !may_be_answered(hints, failed) || !find_service(node, &found) ||
        (family != AF_UNSPEC && (!has_family(&found, family) || exists_otherwise(node))))
        return failed;
    if ((family == AF_INET || (family == AF_UNSPEC && found.has_v4)) &&
        list_of(&found, AF_INET, service, hints, &v4) != 0)
        return failed;
    if ((family == AF_INET6 || (family == AF_UNSPEC && found.has_v6)) &&
        list_of(&found, AF_INET6, service, hints, &v6) != 0) {
        if (!v4)
            return failed;
        v6 = NULL;
    }
    if (v4 && v6)
        append(v4, v6);
    *list = v4 ? v4 : v6;
    name_first(*list, found.name, hints);
    return 0;
}

/* ---- gethostbyname -------------------------------------------------------------------------------- */

/* Everything that the entry points to, in the caller's buffer. */
struct host_room {
    char *aliases[1];
    char *addresses[2];
    uint8_t addr[16];
    char name[];
};

enum lookup lookup_host(const char *name, int family, int herror, struct hostent *entry, char *buf, size_t size)
{
    struct service found;
    bool missing = herror == HOST_NOT_FOUND || herror == TRY_AGAIN || herror == NO_RECOVERY || herror == NO_DATA;
    if (!name || !missing || (family != AF_INET && family != AF_INET6) || !find_service(name, &found) ||
        !has_family(&found, family) || exists_otherwise(name))
        return LOOKUP_NOTHING;
    size_t pad = -(uintptr_t)buf % _Alignof(struct host_room), bytes = strlen(found.name) + 1;
    if (size < pad + sizeof(struct host_room) + bytes)
        return LOOKUP_NO_ROOM;
    struct host_room *room = (struct host_room *)(void *)(buf + pad);
    *room = (struct host_room){.addresses = {(char *)room->addr, NULL}};
    service_address(&found, family, room->addr);
    memcpy(room->name, found.name, bytes);
    *entry = (struct hostent){.h_name = room->name,
                              .h_aliases = room->aliases,
                              .h_addrtype = family,
                              .h_length = family == AF_INET ? 4 : 16,
                              .h_addr_list = room->addresses};
    return LOOKUP_FOUND;
}

const char *lookup_name(int family, const uint8_t addr[16])
{
    struct service found;
    const struct service_asker who = asker();
    const struct rules *rules = service_is_address(family, addr) ? host_rules() : NULL;
    return rules && service_at(rules, family, addr, &who, &found) ? found.name : NULL;
}
