/* SPDX-License-Identifier: MIT
 * Names of addresses. */
#include "conn/names.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/text.h"
#include "conn/address.h"
#include "real/raw.h"

enum { PLACES = 256 };

struct place {
    _Atomic uint64_t version; /* 0 empty or unfinished; else the ticket + 1 */
    _Atomic uint32_t shared;  /* 1: its lookup stands in the segment's table, or need not */
    uint32_t thread;
    uint16_t family;
    uint8_t addr[16];
    uint64_t lookup; /* the addresses of one lookup have one number */
    uint64_t when_ns;
    char name[NAMES_MAX];
};

static _Atomic(struct place *) places; /* never unmapped */
static _Atomic uint64_t tickets, lookups;

/* Where the resolver was entered, by the address of that frame: a thread that left it by a long jump is found above
 * it, and is no longer inside. */
static __thread const char *resolver_frame;

static struct place *get_places(void)
{
    struct place *now = atomic_load_explicit(&places, memory_order_acquire);
    if (now)
        return now;
    size_t bytes = PLACES * sizeof *now;
    struct place *fresh = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh && !atomic_compare_exchange_strong(&places, &now, fresh)) {
        raw_munmap(fresh, bytes);
        fresh = now;
    }
    return fresh;
}

static bool is_literal(const char *name)
{
    uint8_t scratch[16];
    return inet_pton(AF_INET, name, scratch) == 1 || strchr(name, ':') != NULL;
}

static void lower_case(char *out, const char *name)
{
    size_t length = text_copy(out, NAMES_MAX, name);
    for (size_t i = 0; i < length; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] - 'A' + 'a');
    if (length && out[length - 1] == '.')
        out[length - 1] = '\0';
}

static bool same(const struct place *place, int family, const uint8_t addr[16])
{
    return place->family == family && memcmp(place->addr, addr, sizeof place->addr) == 0;
}

/* Where a lookup's addresses go. */
struct origin {
    const char *name;
    bool good;
    uint64_t lookup, when_ns;
};

static struct origin begin(const char *name, bool good)
{
    return (struct origin){name, good, atomic_fetch_add(&lookups, 1) + 1, clock_now_ns()};
}

static void add(const struct origin *origin, int family, const void *addr)
{
    const char *name = origin->name;
    char lower[NAMES_MAX];
    uint8_t key[16] = {0};
    struct place *all = get_places();
    if (!all || !*name || strlen(name) >= NAMES_MAX || is_literal(name))
        return;
    memcpy(key, addr, family == AF_INET6 ? 16 : 4);
    family = address_unmap(family, key);
    lower_case(lower, name);
    uint64_t ticket = atomic_fetch_add(&tickets, 1);
    struct place *place = &all[ticket % PLACES];
    atomic_store(&place->version, 0);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&place->shared, !origin->good, memory_order_relaxed);
    place->lookup = origin->lookup;
    place->when_ns = origin->when_ns;
    place->thread = (uint32_t)raw_gettid();
    place->family = (uint16_t)family;
    memcpy(place->addr, key, sizeof key);
    memcpy(place->name, lower, sizeof lower);
    atomic_store_explicit(&place->version, ticket + 1, memory_order_release);
}

void names_add_list(const char *name, const struct addrinfo *list, bool good)
{
    if (!name)
        return;
    const struct origin origin = begin(name, good);
    for (const struct addrinfo *entry = list; entry; entry = entry->ai_next) {
        if (entry->ai_family == AF_INET)
            add(&origin, AF_INET, &((const struct sockaddr_in *)(const void *)entry->ai_addr)->sin_addr);
        else if (entry->ai_family == AF_INET6)
            add(&origin, AF_INET6, &((const struct sockaddr_in6 *)(const void *)entry->ai_addr)->sin6_addr);
    }
}

void names_add_host(const char *name, const struct hostent *host, bool good)
{
    if (!name || !host || (host->h_addrtype != AF_INET && host->h_addrtype != AF_INET6))
        return;
    const struct origin origin = begin(name, good);
    for (char **addr = host->h_addr_list; *addr; addr++)
        add(&origin, host->h_addrtype, *addr);
}

/* The newest place with this address; of_thread 0: of any thread. */
static bool find(int family, const uint8_t addr[16], uint32_t of_thread, char *out, size_t size)
{
    struct place *all = atomic_load_explicit(&places, memory_order_acquire);
    uint64_t best = 0;
    for (int i = 0; all && i < PLACES; i++) {
        uint64_t version = atomic_load_explicit(&all[i].version, memory_order_acquire);
        if (version <= best || !same(&all[i], family, addr) || (of_thread && all[i].thread != of_thread))
            continue;
        char copy[NAMES_MAX];
        memcpy(copy, all[i].name, sizeof copy);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&all[i].version, memory_order_relaxed) != version)
            continue;
        text_copy(out, size, copy);
        best = version;
    }
    return best != 0;
}

bool names_find(int family, const uint8_t addr[16], char *out, size_t size)
{
    if (!atomic_load_explicit(&places, memory_order_relaxed))
        return false;
    return find(family, addr, (uint32_t)raw_gettid(), out, size) || find(family, addr, 0, out, size);
}

/* A place that is whole, as it was then: its version, 0 = none. */
static uint64_t read_place(struct place *place, struct place *copy)
{
    uint64_t version = atomic_load_explicit(&place->version, memory_order_acquire);
    if (version == 0)
        return 0;
    memcpy(copy, place, sizeof *copy);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&place->version, memory_order_relaxed) == version ? version : 0;
}

static bool has_address(const struct lookup_answer *answer, const struct place *place)
{
    for (uint32_t i = 0; i < answer->count; i++)
        if (answer->family[i] == place->family && memcmp(answer->addr[i], place->addr, sizeof place->addr) == 0)
            return true;
    return false; /* one for each kind of socket */
}

/* All addresses of a lookup, in the order of the answer; marks them as shared. */
static void gather(struct place *all, uint64_t lookup, uint64_t newest, struct lookup_answer *answer)
{
    struct place one;
    for (uint64_t ticket = newest >= PLACES ? newest - PLACES : 0; ticket < newest; ticket++) {
        struct place *place = &all[ticket % PLACES];
        if (read_place(place, &one) != ticket + 1 || one.lookup != lookup)
            continue;
        atomic_store_explicit(&place->shared, 1, memory_order_relaxed);
        if (answer->count == SEG_LOOKUP_ADDRESSES || has_address(answer, &one))
            continue;
        answer->when_ns = one.when_ns;
        answer->family[answer->count] = (uint8_t)one.family;
        memcpy(answer->addr[answer->count++], one.addr, sizeof one.addr);
    }
}

bool names_answer(const char *name, int family, const uint8_t addr[16], struct lookup_answer *answer)
{
    struct place *all = atomic_load_explicit(&places, memory_order_acquire), one;
    uint64_t newest = atomic_load(&tickets);
    *answer = (struct lookup_answer){0};
    for (uint64_t ticket = newest, last = newest >= PLACES ? newest - PLACES : 0; all && ticket-- > last;) {
        struct place *place = &all[ticket % PLACES];
        if (!same(place, family, addr) || read_place(place, &one) != ticket + 1 || !same(&one, family, addr) ||
            strcmp(one.name, name) != 0)
            continue;
        if (!atomic_load_explicit(&one.shared, memory_order_relaxed))
            gather(all, one.lookup, newest, answer);
        break;
    }
    return answer->count > 0;
}

bool names_resolving(void)
{
    const char *here = __builtin_frame_address(0);
    if (resolver_frame && here > resolver_frame)
        resolver_frame = NULL;
    return resolver_frame != NULL;
}

void names_enter(void)
{
    resolver_frame = __builtin_frame_address(0);
}

void names_leave(void)
{
    resolver_frame = NULL;
}
