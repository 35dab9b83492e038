/* SPDX-License-Identifier: MIT
 * Answers to lookups that failed. */
#include "conn/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/service.h"
#include "conn/address.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/names.h"
#include "real/real.h"
#include "segment/events.h"
#include "segment/lookups.h"
#include "segment/rows.h"

static struct service_asker asker(void)
{
    return (struct service_asker){host.program, geteuid()};
}

/* The rules, where a lookup may be answered at all. errno stays. */
static const struct rules *rules_now(void)
{
    int saved = errno;
    bool may = !host.inert && !names_resolving() && host_attach() && !host_off();
    const struct rules *rules = may ? host_rules() : NULL;
    errno = saved;
    return rules;
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

/* ---- the last good addresses ---------------------------------------------------------------------- */

static void lower_case(char *out, size_t size, const char *name)
{
    size_t length = strlen(name);
    length -= length > 0 && name[length - 1] == '.';
    length = length < size ? length : size - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + ('a' - 'A')) : name[i];
    out[length] = '\0';
}

static void announce(const struct rules *rules, uint32_t index, uint64_t now_ns)
{
    const char *name = rules_text(rules, rules_destination(rules, index)->name);
    const struct row_key key = {.kind = ROW_DESTINATION, .name = name};
    uint32_t row = rows_get(&host.segment, &key);
    if (row == ROW_NONE)
        return;
    struct event event = {.kind = EVENT_STALE, .row = row, .reason = VERDICT_ADMIT, .program = host.program};
    seg_count(seg_row(&host.segment, row), COUNTER_stale_answers, 1);
    event_refusal(&host.segment, &event, now_ns);
}

static void keep_family(struct lookup_answer *answer, int family)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (family != AF_UNSPEC && answer->family[i] != family)
            continue;
        answer->family[kept] = answer->family[i];
        memmove(answer->addr[kept++], answer->addr[i], sizeof answer->addr[i]);
    }
    answer->count = kept;
}

static bool find_stale(const struct rules *rules, const char *name, int family, struct lookup_answer *answer)
{
    char lower[SEG_LOOKUP_NAME];
    uint32_t index = 0;
    const struct service_asker who = asker();
    uint64_t now_ns = clock_now_ns();
    int64_t max_ns = service_stale_max(rules, name, &who, &index);
    lower_case(lower, sizeof lower, name);
    if (max_ns <= 0 || !lookups_get(&host.segment, lower, answer) || now_ns < answer->when_ns ||
        now_ns - answer->when_ns > (uint64_t)max_ns)
        return false;
    keep_family(answer, family);
    if (answer->count > 0)
        announce(rules, index, now_ns);
    return answer->count > 0;
}

void lookup_share(const char *name, int family, const uint8_t addr[16])
{
    struct lookup_answer answer;
    if (names_answer(name, family, addr, &answer))
        lookups_put(&host.segment, name, &answer);
}

/* ---- service names -------------------------------------------------------------------------------- */

/* An AF_INET6 socket reaches IPv4 by mapped addresses. The rules may be gone after a lookup that takes its time. */
static bool find_service(const struct rules *rules, const char *name, int family, struct lookup_answer *answer,
                         char canonical[NAMES_MAX])
{
    struct service found;
    const struct service_asker who = asker();
    if (!service_find(rules, name, &who, &found) || (family == AF_INET && !found.has_v4))
        return false;
    text_copy(canonical, NAMES_MAX, found.name);
    if (family != AF_UNSPEC && exists_otherwise(name))
        return false;
    *answer = (struct lookup_answer){.count = 0};
    for (int i = 0; i < 2; i++) {
        int one = i ? AF_INET6 : AF_INET;
        if (family == one || (family == AF_UNSPEC && (i ? found.has_v6 : found.has_v4))) {
            answer->family[answer->count] = (uint8_t)one;
            service_address(&found, one, answer->addr[answer->count++]);
        }
    }
    return true;
}

/* temporary: nobody could say whether the name exists. */
static bool find(const char *name, int family, bool temporary, struct lookup_answer *answer, char canonical[NAMES_MAX])
{
    const struct rules *rules = strlen(name) < NAMES_MAX ? rules_now() : NULL;
    text_copy(canonical, NAMES_MAX, name);
    return rules && ((temporary && find_stale(rules, name, family, answer)) ||
                     find_service(rules, name, family, answer, canonical));
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
static int list_of(int family, const uint8_t *addr, const char *service, const struct addrinfo *hints,
                   struct addrinfo **list)
{
    char text[INET6_ADDRSTRLEN];
    struct addrinfo literal = {.ai_family = family, .ai_flags = AI_NUMERICHOST};
    if (hints) {
        literal.ai_socktype = hints->ai_socktype;
        literal.ai_protocol = hints->ai_protocol;
        literal.ai_flags |= hints->ai_flags & AI_NUMERICSERV;
    }
    inet_ntop(family, addr, text, sizeof text);
    return real.getaddrinfo(text, service, &literal, list);
}

static struct addrinfo *list_all(const struct lookup_answer *answer, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *first = NULL, **end = &first;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (list_of(answer->family[i], answer->addr[i], service, hints, end) != 0)
            *end = NULL;
        while (*end)
            end = &(*end)->ai_next;
    }
    return first;
}

int lookup_addrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list,
                    int failed)
{
    struct lookup_answer answer;
    char canonical[NAMES_MAX];
    if (!node || !may_be_answered(hints, failed) ||
        !find(node, hints ? hints->ai_family : AF_UNSPEC, failed == EAI_AGAIN || failed == EAI_FAIL, &answer,
              canonical))
        return failed;
    struct addrinfo *found = list_all(&answer, service, hints);
    if (!found)
        return failed;
    if (hints && (hints->ai_flags & AI_CANONNAME) && !found->ai_canonname)
        found->ai_canonname = strdup(canonical); /* freed by freeaddrinfo() */
    *list = found;
    return 0;
}

/* ---- gethostbyname -------------------------------------------------------------------------------- */

/* Everything that the entry points to, in the caller's buffer. */
struct host_room {
    char *aliases[1];
    char *addresses[SEG_LOOKUP_ADDRESSES + 1];
    uint8_t addr[SEG_LOOKUP_ADDRESSES][16];
    char name[];
};

enum lookup lookup_host(const char *name, int family, int herror, struct hostent *entry, char *buf, size_t size)
{
    struct lookup_answer answer;
    char canonical[NAMES_MAX];
    bool temporary = herror == TRY_AGAIN || herror == NO_RECOVERY;
    if (!name || (!temporary && herror != HOST_NOT_FOUND && herror != NO_DATA) ||
        (family != AF_INET && family != AF_INET6) || !find(name, family, temporary, &answer, canonical))
        return LOOKUP_NOTHING;
    size_t pad = -(uintptr_t)buf % _Alignof(struct host_room), bytes = strlen(canonical) + 1;
    if (size < pad + sizeof(struct host_room) + bytes)
        return LOOKUP_NO_ROOM;
    struct host_room *room = (struct host_room *)(void *)(buf + pad);
    memset(room, 0, sizeof *room);
    memcpy(room->addr, answer.addr, sizeof room->addr);
    for (uint32_t i = 0; i < answer.count; i++)
        room->addresses[i] = (char *)room->addr[i];
    memcpy(room->name, canonical, bytes);
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

size_t lookup_back(const struct sockaddr *addr, socklen_t length, char *out, size_t size)
{
    struct address address;
    if (!kernel_readable(addr, length) || length > sizeof(struct sockaddr_storage) ||
        !address_read(&address, addr, length) || address.family == AF_UNIX ||
        !service_is_address(address.family, address.addr) || !rules_now())
        return 0;
    const char *name = lookup_name(address.family, address.addr);
    size_t bytes = name ? strlen(name) + 1 : 0;
    if (bytes <= size)
        memcpy(out, name ? name : "", bytes);
    return bytes;
}
