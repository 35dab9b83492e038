/* SPDX-License-Identifier: MIT
 * Before exec, spawn and SCM_RIGHTS. */
#include "conn/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "conn/block.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/lineage.h"
#include "conn/observe.h"
#include "conn/pending.h"
#include "conn/track.h"
#include "real/raw.h"

/* A vfork child's descriptors are not in the table. Programs put what a child shall use at the lowest numbers. */
enum { LOW_FDS = 256 };

static bool survives_exec(int fd)
{
    int flags = raw_fcntl(fd, F_GETFD, 0);
    return flags >= 0 && !(flags & FD_CLOEXEC);
}

static struct conn *find_socket(int fd)
{
    uint32_t index = 0;
    uint64_t cookie = kernel_cookie(fd);
    for (struct conn *conn = cookie ? conn_each(&index) : NULL; conn; conn = conn_each(&index))
        if (conn->cookie == cookie)
            return conn;
    return NULL;
}

/* Lends, or takes back, what the descriptors of a vfork child show. */
static void each_of_child(void (*act)(struct conn *conn, int fd))
{
    if (!atomic_load(&block_used))
        return;
    for (int fd = 0; fd < LOW_FDS; fd++) {
        struct conn *conn = survives_exec(fd) ? find_socket(fd) : NULL;
        if (conn)
            act(conn, fd);
    }
    for (int fd = conn_next_tracked(LOW_FDS, ~0u); fd >= 0; fd = conn_next_tracked((unsigned)fd + 1, ~0u)) {
        struct conn *conn = survives_exec(fd) ? find_socket(fd) : NULL;
        if (conn)
            act(conn, fd);
    }
}

static void lend_surviving(void)
{
    uint32_t index = 0;
    for (struct conn *conn = conn_each(&index); conn; conn = conn_each(&index))
        conn->survives = 0;
    for (int fd = conn_next_tracked(0, ~0u); fd >= 0; fd = conn_next_tracked((unsigned)fd + 1, ~0u)) {
        struct conn *conn = conn_of(fd);
        if (!conn || (!survives_exec(fd) && !atomic_exchange(&conn->passed, 0)))
            continue;
        conn->survives = 1;
        block_lend(conn, fd);
    }
}

static void take_back(void)
{
    for (int fd = conn_next_tracked(0, ~0u); fd >= 0; fd = conn_next_tracked((unsigned)fd + 1, ~0u)) {
        struct conn *conn = conn_of(fd);
        if (conn)
            block_take_back(conn, fd);
    }
}

static void suspend(struct conn *conn)
{
    struct gate gate = observe_gate(conn);
    gate_give_back(&gate, &conn->admission);
    pending_suspend(conn);
    if (conn->survives || !conn->held[SLOT_CONNECTION].segment)
        return;
    struct held held[SLOT_KINDS]; /* the record's own stay: while others hold the socket they are the same again */
    memcpy(held, conn->held, sizeof held);
    atomic_store(&conn->suspended, 1);
    slots_release_all(held);
}

static bool anything(void)
{
    return atomic_load(&host.attach_state) == ATTACH_READY && atomic_load(&conn_live) > 0;
}

bool handover_begin(bool replaces)
{
    uint32_t index = 0;
    int saved = errno;
    if (!anything() || (!replaces && !atomic_load(&block_used)))
        return false;
    if (lineage_borrowed()) {
        each_of_child(block_lend);
    } else {
        lend_surviving();
        for (struct conn *conn = replaces ? conn_each(&index) : NULL; conn; conn = conn_each(&index))
            suspend(conn);
    }
    errno = saved;
    return true;
}

void handover_failed(bool replaces)
{
    uint32_t index = 0;
    int saved = errno;
    if (lineage_borrowed()) {
        each_of_child(block_take_back);
    } else {
        take_back();
        for (struct conn *conn = replaces ? conn_each(&index) : NULL; conn; conn = conn_each(&index))
            if (atomic_exchange(&conn->suspended, 0))
                track_hold(conn);
    }
    errno = saved;
}

void handover_named(int fd)
{
    struct conn *conn = conn_of(fd);
    if (conn && !lineage_borrowed())
        atomic_store(&conn->passed, 1);
}

/* The kernel looks at the message after us: what it will refuse must not be touched. */
static bool readable(const struct msghdr *message)
{
    enum { RIGHTS_MAX = 4096 }; /* the kernel takes at most 253 descriptors */
    return message && kernel_readable(message, sizeof *message) && message->msg_controllen >= sizeof(struct cmsghdr) &&
           message->msg_controllen <= RIGHTS_MAX &&
           kernel_readable(message->msg_control, (unsigned)message->msg_controllen);
}

static void lend_all(const struct cmsghdr *header)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        struct conn *conn = conn_of(fd);
        if (conn)
            block_lend(conn, fd);
        if (conn)
            atomic_store(&conn->lent, 0); /* for good */
    }
}

void handover_passed(const struct msghdr *message)
{
    if (!atomic_load_explicit(&block_used, memory_order_relaxed) || !readable(message))
        return;
    struct msghdr copy = *message;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&copy); header; header = CMSG_NXTHDR(&copy, header)) {
        if (header->cmsg_len < CMSG_LEN(0))
            return; /* the kernel will say EINVAL */
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            lend_all(header);
    }
}
