/* SPDX-License-Identifier: MIT
 * Reading sockaddr. */
#include "conn/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

int address_unmap(int family, uint8_t addr[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (family != AF_INET6 || memcmp(addr, mapped, sizeof mapped) != 0)
        return family;
    memmove(addr, addr + 12, 4);
    memset(addr + 4, 0, 12);
    return AF_INET;
}

static bool read_unix(struct address *out, const struct sockaddr *addr, socklen_t length)
{
    const char *path = ((const struct sockaddr_un *)(const void *)addr)->sun_path;
    size_t bytes = length - offsetof(struct sockaddr_un, sun_path);
    if (bytes == 0 || bytes > sizeof((struct sockaddr_un *)0)->sun_path)
        return false;
    bool abstract = path[0] == '\0';
    /* Abstract names may hold any byte: NULs show as '@' as in /proc/net/unix. */
    for (size_t i = 0; i < bytes && (abstract || path[i]); i++)
        out->path[i] = path[i] ? path[i] : '@';
    return out->path[0] != '\0';
}

bool address_read(struct address *out, const struct sockaddr *addr, socklen_t length)
{
    memset(out, 0, sizeof *out);
    out->family = addr->sa_family;
    if (addr->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        memcpy(out->addr, &in.sin_addr, 4);
        out->port = ntohs(in.sin_port);
        return true;
    }
    if (addr->sa_family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        struct sockaddr_in6 in6 = {0};
        memcpy(&in6, addr, length < sizeof in6 ? length : sizeof in6);
        memcpy(out->addr, &in6.sin6_addr, 16);
        out->port = ntohs(in6.sin6_port);
        out->family = address_unmap(AF_INET6, out->addr);
        return true;
    }
    if (addr->sa_family == AF_UNIX && length > offsetof(struct sockaddr_un, sun_path))
        return read_unix(out, addr, length);
    return false;
}
