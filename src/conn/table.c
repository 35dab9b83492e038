/* SPDX-License-Identifier: MIT
 * The descriptor table and the pool of records. */
#include <string.h>
#include <sys/mman.h>

#include "conn/conn.h"
#include "conn/host.h"
#include "real/raw.h"

enum { POOL_CHUNK = 256, POOL_CHUNKS = 256, FD_CHUNK = 1 << FD_CHUNK_BITS };

_Atomic(_Atomic uint32_t *) conn_fd_chunk[FD_CHUNKS];
_Atomic uint32_t conn_live;
_Atomic uint32_t conn_curious;

static _Atomic(struct conn *) pool_chunk[POOL_CHUNKS];
static _Atomic uint32_t pool_used; /* records ever handed out; only grows */
static _Atomic uint64_t pool_free; /* stack: {tag:32, index + 1}; the tag defeats ABA */

static void *map_zeroed(size_t bytes)
{
    return raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

struct conn *conn_at(uint32_t index_plus_1)
{
    uint32_t index = index_plus_1 - 1;
    struct conn *chunk = atomic_load_explicit(&pool_chunk[index / POOL_CHUNK % POOL_CHUNKS], memory_order_acquire);
    return chunk ? &chunk[index % POOL_CHUNK] : NULL;
}

static __thread volatile uint32_t astray;

struct conn *conn_named(uint32_t index_plus_1)
{
    if (__builtin_expect(astray != 0, 0)) {
        if ((uint32_t)raw_getpid() != atomic_load_explicit(&host.pid, memory_order_relaxed))
            return NULL;
        astray = 0; /* the vfork child is gone, or has become another program */
    }
    return conn_at(index_plus_1);
}

void conn_mark_astray(void)
{
    astray = 1;
}

/* A record does not know its number: the chunks do. Only for the rare transitions. */
static uint32_t number_of(const struct conn *conn)
{
    for (uint32_t i = 0; i < POOL_CHUNKS; i++) {
        const struct conn *chunk = atomic_load_explicit(&pool_chunk[i], memory_order_acquire);
        if (chunk && conn >= chunk && conn < chunk + POOL_CHUNK)
            return i * POOL_CHUNK + (uint32_t)(conn - chunk) + 1;
    }
    return 0;
}

static bool ensure_pool_chunk(uint32_t chunk)
{
    struct conn *none = NULL;
    if (atomic_load(&pool_chunk[chunk]))
        return true;
    struct conn *fresh = map_zeroed(POOL_CHUNK * sizeof *fresh);
    if (!fresh)
        return false;
    if (!atomic_compare_exchange_strong(&pool_chunk[chunk], &none, fresh))
        raw_munmap(fresh, POOL_CHUNK * sizeof *fresh);
    return true;
}

static struct conn *pop_free(void)
{
    uint64_t head = atomic_load(&pool_free);
    while ((uint32_t)head) {
        struct conn *conn = conn_at((uint32_t)head);
        uint64_t next = ((head >> 32) + 1) << 32 | atomic_load(&conn->next_free);
        if (atomic_compare_exchange_weak(&pool_free, &head, next))
            return conn;
    }
    return NULL;
}

static struct conn *take_new(void)
{
    uint32_t index = atomic_load(&pool_used);
    while (index < POOL_CHUNK * POOL_CHUNKS) {
        if (!ensure_pool_chunk(index / POOL_CHUNK))
            return NULL;
        if (atomic_compare_exchange_weak(&pool_used, &index, index + 1))
            return conn_at(index + 1);
    }
    return NULL;
}

struct conn *conn_new(int fd)
{
    struct conn *conn = pop_free();
    if (!conn)
        conn = take_new();
    if (!conn)
        return NULL;
    uint32_t generation = atomic_load(&conn->generation);
    memset((void *)conn, 0, sizeof *conn);
    atomic_store(&conn->generation, generation + 1);
    atomic_store(&conn->fd, fd);
    atomic_store(&conn->refs, 1);
    atomic_fetch_add(&conn_live, 1);
    return conn;
}

void conn_recycle(struct conn *conn)
{
    uint32_t number = number_of(conn);
    uint64_t head = atomic_load(&pool_free);
    atomic_fetch_add(&conn->generation, 1);
    atomic_store(&conn->deadline_ns, 0);
    copies_unpin(&conn->call.copy);
    if (conn_is_new((enum conn_state)atomic_exchange(&conn->state, CONN_FREE)) && conn->listens)
        atomic_fetch_sub(&conn_curious, 1);
    if (atomic_exchange(&conn->parked_ns, 0) != 0)
        atomic_fetch_sub(&conn_curious, 1);
    atomic_fetch_sub(&conn_live, 1);
    do {
        atomic_store(&conn->next_free, (uint32_t)head);
    } while (!atomic_compare_exchange_weak(&pool_free, &head, ((head >> 32) + 1) << 32 | number));
}

static _Atomic uint32_t *fd_entry(int fd, bool make)
{
    uint32_t chunk = (uint32_t)fd >> FD_CHUNK_BITS;
    if (fd < 0 || chunk >= FD_CHUNKS)
        return NULL;
    _Atomic uint32_t *entries = atomic_load_explicit(&conn_fd_chunk[chunk], memory_order_acquire);
    if (!entries && make) {
        _Atomic uint32_t *fresh = map_zeroed(FD_CHUNK * sizeof *fresh);
        if (!fresh)
            return NULL;
        if (atomic_compare_exchange_strong(&conn_fd_chunk[chunk], &entries, fresh))
            entries = fresh;
        else
            raw_munmap((void *)fresh, FD_CHUNK * sizeof *fresh);
    }
    return entries ? &entries[(uint32_t)fd & (FD_CHUNK - 1)] : NULL;
}

bool conn_install(struct conn *conn, int fd)
{
    _Atomic uint32_t *entry = fd_entry(fd, true);
    if (!entry)
        return false;
    atomic_store_explicit(entry, number_of(conn), memory_order_release);
    return true;
}

void conn_alias(int from, int to)
{
    const _Atomic uint32_t *source = fd_entry(from, false);
    uint32_t number = source ? atomic_load(source) : 0;
    _Atomic uint32_t *target = number ? fd_entry(to, true) : NULL;
    if (!target)
        return;
    atomic_fetch_add(&conn_at(number)->refs, 1);
    atomic_store(&conn_at(number)->fd, to);
    atomic_store_explicit(target, number, memory_order_release);
}

struct conn *conn_take(int fd)
{
    _Atomic uint32_t *entry = fd_entry(fd, false);
    uint32_t number = entry ? atomic_exchange(entry, 0) : 0;
    return number ? conn_at(number) : NULL;
}

int conn_find_fd(const struct conn *conn)
{
    uint32_t number = number_of(conn);
    for (uint32_t chunk = 0; chunk < FD_CHUNKS; chunk++) {
        const _Atomic uint32_t *entries = atomic_load(&conn_fd_chunk[chunk]);
        for (uint32_t i = 0; entries && i < FD_CHUNK; i++)
            if (atomic_load_explicit(&entries[i], memory_order_relaxed) == number)
                return (int)(chunk << FD_CHUNK_BITS | i);
    }
    return -1;
}

bool conn_unref(struct conn *conn)
{
    return atomic_fetch_sub(&conn->refs, 1) == 1;
}

struct conn *conn_each(uint32_t *index)
{
    while (*index < atomic_load(&pool_used)) {
        struct conn *conn = conn_at(++*index);
        if (conn && conn_state(conn) != CONN_FREE)
            return conn;
    }
    return NULL;
}

int conn_next_tracked(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd >> FD_CHUNK_BITS < FD_CHUNKS; fd++) {
        const _Atomic uint32_t *entries = atomic_load(&conn_fd_chunk[fd >> FD_CHUNK_BITS]);
        if (!entries)
            fd |= FD_CHUNK - 1; /* the whole chunk is untracked */
        else if (atomic_load(&entries[fd & (FD_CHUNK - 1)]))
            return (int)fd;
    }
    return -1;
}
