/* SPDX-License-Identifier: MIT
 * Targets: read by the parser of `match =', which knows every form of them. */
#include "target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "config/pattern.h"

bool target_read(const char *text, struct target *target, char *want, size_t size)
{
    struct arena arena = {.newest = NULL};
    struct pattern pattern;
    struct pattern_error error = {.want = "HOST:PORT"};
    bool read = pattern_parse(&arena, (struct slice){text, strlen(text), 1}, &pattern, &error);
    const struct rule_match *match = &pattern.match;
    bool one_port = read && match->has_port && match->port_low == match->port_high && match->port_low > 0;
    bool is_path = read && match->kind == MATCH_PATH;
    bool is_host = read && (match->kind == MATCH_NAME || match->kind == MATCH_ADDRESS) && one_port;
    bool plain = read && !*pattern.app && match->uid < 0 && strlen(pattern.text) < sizeof target->text;
    *target = (struct target){.addresses = 0};
    if ((is_path || is_host) && plain) {
        snprintf(target->text, sizeof target->text, "%s", pattern.text);
        target->query = (struct match_query){.family = match->family,
                                             .port = is_path ? 0 : match->port_low,
                                             .name = match->kind == MATCH_NAME ? target->text : NULL,
                                             .path = is_path ? target->text : NULL};
        memcpy(target->query.addr, match->addr, sizeof target->query.addr);
    } else {
        snprintf(want, size, "%s", read ? "one HOST:PORT, ADDR:PORT, [V6]:PORT or unix:/PATH" : error.want);
    }
    arena_release(&arena);
    return (is_path || is_host) && plain;
}

static void add(struct target *target, int family, const void *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = family == AF_INET6 && memcmp(addr, mapped, sizeof mapped) == 0;
    uint8_t bytes[16] = {0};
    if (is_mapped)
        memcpy(bytes, (const uint8_t *)addr + sizeof mapped, 4);
    else
        memcpy(bytes, addr, family == AF_INET ? 4 : 16);
    family = is_mapped ? AF_INET : family;
    for (unsigned i = 0; i < target->addresses; i++)
        if (target->address[i].family == family && memcmp(target->address[i].addr, bytes, sizeof bytes) == 0)
            return;
    if (target->addresses == TARGET_ADDRESSES)
        return;
    target->address[target->addresses].family = family;
    memcpy(target->address[target->addresses++].addr, bytes, sizeof bytes);
}

bool target_place(struct target *target, const char *address)
{
    uint8_t addr[16];
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    if (!target->query.name || inet_pton(family, address, addr) != 1)
        return false;
    add(target, family, addr);
    target_choose(target, 0);
    return true;
}

bool target_resolve(struct target *target)
{
    struct addrinfo *list = NULL, hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (!target->query.name || getaddrinfo(target->text, NULL, &hints, &list) != 0)
        return false;
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (at->ai_family == AF_INET)
            add(target, AF_INET, &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr);
        else if (at->ai_family == AF_INET6)
            add(target, AF_INET6, &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr);
    }
    freeaddrinfo(list);
    if (target->addresses)
        target_choose(target, 0);
    return target->addresses > 0;
}

void target_choose(struct target *target, unsigned index)
{
    target->query.family = target->address[index].family;
    memcpy(target->query.addr, target->address[index].addr, sizeof target->query.addr);
}

static size_t put_host(const struct rules *rules, const struct rule_match *match, char *out, size_t size)
{
    char addr[INET6_ADDRSTRLEN] = "";
    const char *text = rules_text(rules, match->text);
    bool v6 = match->family == AF_INET6;
    switch (match->kind) {
    case MATCH_NAME:
        return (size_t)snprintf(out, size, "%s", text);
    case MATCH_SUFFIX:
        return (size_t)snprintf(out, size, "*%s", text);
    case MATCH_PATH:
    case MATCH_PATH_PREFIX:
        return (size_t)snprintf(out, size, RULES_UNIX "%s%s", text, match->kind == MATCH_PATH ? "" : "*");
    case MATCH_ADDRESS:
    case MATCH_CIDR:
        inet_ntop(v6 ? AF_INET6 : AF_INET, match->addr, addr, sizeof addr);
        if (match->kind == MATCH_ADDRESS)
            return (size_t)snprintf(out, size, v6 ? "[%s]" : "%s", addr);
        return (size_t)snprintf(out, size, v6 ? "[%s/%u]" : "%s/%u", addr, match->prefix_bits);
    default:
        return (size_t)snprintf(out, size, "*");
    }
}

char *pattern_text(const struct rules *rules, const struct rule_match *match, char *out, size_t size)
{
    size_t used = put_host(rules, match, out, size);
    if (used < size && match->has_port)
        used += (size_t)snprintf(out + used, size - used, match->port_low == match->port_high ? ":%u" : ":%u-%u",
                                 match->port_low, match->port_high);
    if (used < size && match->app)
        used += (size_t)snprintf(out + used, size - used, " app=%s", rules_text(rules, match->app));
    if (used < size && match->uid >= 0)
        snprintf(out + used, size - used, " uid=%lld", (long long)match->uid);
    return out;
}
