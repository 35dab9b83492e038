/* SPDX-License-Identifier: MIT
 * Names of addresses. */
#include "conn/names.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "conn/address.h"
#include "real/raw.h"

enum { PLACES = 256 };

struct place {
    _Atomic uint64_t version; /* 0 empty or unfinished; else the ticket + 1 */
    uint32_t thread;
    uint16_t family;
    uint8_t addr[16];
    char name[NAMES_MAX];
};

static _Atomic(struct place *) places; /* never unmapped */
static _Atomic uint64_t tickets;

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

void names_add(const char *name, int family, const void *addr)
{
    char lower[NAMES_MAX];
    uint8_t key[16] = {0};
    struct place *all = get_places();
    if (!all || !name || !*name || strlen(name) >= NAMES_MAX || is_literal(name))
        return;
    memcpy(key, addr, family == AF_INET6 ? 16 : 4);
    family = address_unmap(family, key);
    lower_case(lower, name);
    uint64_t ticket = atomic_fetch_add(&tickets, 1);
    struct place *place = &all[ticket % PLACES];
    atomic_store(&place->version, 0);
    atomic_thread_fence(memory_order_release);
    place->thread = (uint32_t)raw_gettid();
    place->family = (uint16_t)family;
    memcpy(place->addr, key, sizeof key);
    memcpy(place->name, lower, sizeof lower);
    atomic_store_explicit(&place->version, ticket + 1, memory_order_release);
}

void names_add_list(const char *name, const struct addrinfo *list)
{
    if (!name)
        return;
    for (const struct addrinfo *entry = list; entry; entry = entry->ai_next) {
        if (entry->ai_family == AF_INET)
            names_add(name, AF_INET, &((const struct sockaddr_in *)(const void *)entry->ai_addr)->sin_addr);
        else if (entry->ai_family == AF_INET6)
            names_add(name, AF_INET6, &((const struct sockaddr_in6 *)(const void *)entry->ai_addr)->sin6_addr);
    }
}

void names_add_host(const char *name, const struct hostent *host)
{
    if (!host || (host->h_addrtype != AF_INET && host->h_addrtype != AF_INET6))
        return;
    for (char **addr = host->h_addr_list; *addr; addr++)
        names_add(name, host->h_addrtype, *addr);
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
