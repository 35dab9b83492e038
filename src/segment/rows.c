/* SPDX-License-Identifier: MIT
 * The row table. */
#include "segment/rows.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/prng.h"
#include "base/text.h"

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ull; /* FNV-1a */
    return hash;
}

/* The name is part of an endpoint's key through its parent only, which is unique by name. */
static uint64_t hash_key(const struct row_key *key)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    hash = hash_bytes(hash, &key->kind, sizeof key->kind);
    if (key->kind == ROW_DESTINATION)
        return prng_mix(hash_bytes(hash, key->name, strlen(key->name))) | 3;
    hash = hash_bytes(hash, &key->parent, sizeof key->parent);
    hash = hash_bytes(hash, &key->family, sizeof key->family);
    hash = hash_bytes(hash, &key->port, sizeof key->port);
    hash = hash_bytes(hash, key->addr, sizeof key->addr);
    if (key->path)
        hash = hash_bytes(hash, key->path, strlen(key->path));
    if (key->kind == ROW_CHECK) /* it has no parent */
        hash = hash_bytes(hash, key->name, strlen(key->name));
    return prng_mix(hash) | 3;
}

bool rows_ready(const struct seg_row *row)
{
    return (atomic_load_explicit(&row->claim, memory_order_acquire) & 3) == ROW_READY;
}

static bool same_key(const struct seg_row *row, const struct row_key *key)
{
    if (row->kind != key->kind || strncmp(row->name, key->name, sizeof row->name - 1) != 0)
        return false;
    if (key->kind == ROW_DESTINATION)
        return true;
    return row->parent == key->parent && row->family == key->family && row->port == key->port &&
           memcmp(row->addr, key->addr, sizeof row->addr) == 0 &&
           (!key->path || strncmp(row->label, key->path, sizeof row->label - 1) == 0);
}

char *address_label(char *out, size_t size, uint16_t family, const uint8_t addr[16], uint16_t port)
{
    char text[INET6_ADDRSTRLEN] = "?";
    inet_ntop(family, addr, text, sizeof text);
    text_format(out, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
    return out;
}

static void fill(struct seg_row *row, const struct row_key *key, uint32_t index, uint64_t ready)
{
    row->kind = key->kind;
    row->parent = key->kind == ROW_DESTINATION ? index : key->parent;
    row->family = key->family;
    row->port = key->port;
    memcpy(row->addr, key->addr, sizeof row->addr);
    text_copy(row->name, sizeof row->name, key->name);
    if (key->kind == ROW_DESTINATION)
        text_copy(row->label, sizeof row->label, "*");
    else if (key->kind == ROW_ACCOUNT)
        text_copy(row->label, sizeof row->label, "account");
    else if (key->path)
        text_copy(row->label, sizeof row->label, key->path);
    else
        address_label(row->label, sizeof row->label, key->family, key->addr, key->port);
    atomic_store_explicit(&row->claim, ready, memory_order_release);
}

uint32_t rows_get(const struct segment *segment, const struct row_key *key)
{
    uint64_t ready = hash_key(key);
    uint64_t claimed = (ready & ~3ull) | ROW_CLAIMED;
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        uint32_t index = (uint32_t)((ready >> 16) + i) & (SEG_ROWS - 1);
        struct seg_row *row = seg_row(segment, index);
        uint64_t claim = atomic_load_explicit(&row->claim, memory_order_acquire);
        if (claim == 0 && atomic_compare_exchange_strong(&row->claim, &claim, claimed))
            claim = claimed;
        if (claim == claimed) {
            fill(row, key, index, ready);
            seg_raise(&seg_header(segment)->rows_used, index + 1);
            return index;
        }
        if (claim == ready && same_key(row, key))
            return index;
    }
    atomic_fetch_add_explicit(&seg_header(segment)->dropped, 1, memory_order_relaxed);
    return ROW_NONE;
}

static bool same_address(const struct seg_unmatched *row, uint16_t family, uint16_t port, const uint8_t addr[16])
{
    return row->family == family && row->port == port && memcmp(row->addr, addr, sizeof row->addr) == 0;
}

/* Display only: a torn row, when two processes take one place at once, shows one of the two addresses. */
void unmatched_count(const struct segment *segment, uint16_t family, uint16_t port, const uint8_t addr[16],
                     uint64_t now_ns)
{
    uint32_t oldest = 0;
    uint64_t oldest_ns = UINT64_MAX;
    for (uint32_t i = 0; i < SEG_UNMATCHED; i++) {
        struct seg_unmatched *row = seg_unmatched(segment, i);
        uint64_t last_ns = atomic_load_explicit(&row->last_ns, memory_order_relaxed);
        if (last_ns && same_address(row, family, port, addr)) {
            atomic_fetch_add_explicit(&row->count, 1, memory_order_relaxed);
            atomic_store_explicit(&row->last_ns, now_ns, memory_order_relaxed);
            return;
        }
        if (last_ns < oldest_ns) {
            oldest = i;
            oldest_ns = last_ns;
        }
        if (last_ns == 0)
            break;
    }
    struct seg_unmatched *row = seg_unmatched(segment, oldest);
    if (!atomic_compare_exchange_strong(&row->last_ns, &oldest_ns, now_ns))
        return;
    row->family = family;
    row->port = port;
    memcpy(row->addr, addr, sizeof row->addr);
    address_label(row->label, sizeof row->label, family, addr, port);
    atomic_store_explicit(&row->count, 1, memory_order_relaxed);
}
