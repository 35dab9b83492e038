/* SPDX-License-Identifier: MIT
 * Coverage. */
#include "conn/coverage.h"

#include "conn/host.h"
#include "segment/registry.h"

static void add(struct seg_coverage *sum, const struct kernel_bytes *kernel, uint64_t out, uint64_t in)
{
    atomic_fetch_add_explicit(&sum->kernel_out, kernel->out, memory_order_relaxed);
    atomic_fetch_add_explicit(&sum->kernel_in, kernel->in, memory_order_relaxed);
    atomic_fetch_add_explicit(&sum->seen_out, out, memory_order_relaxed);
    atomic_fetch_add_explicit(&sum->seen_in, in, memory_order_relaxed);
}

/* What the kernel's numbers hold besides the application's bytes. False: the number belongs to another socket now.
 * The kernel reads the state before it locks the socket for the rest: the peer's end that comes in between is a byte of
 * its numbers without a word; and bytes may come between two of our looks. So it looks until nothing moves. */
static bool settle(const struct conn *conn, int fd, struct kernel_bytes *kernel, uint64_t in)
{
    enum { LOOKS = 4 };
    uint64_t before, unread;
    if (kernel_cookie(fd) != conn->cookie)
        return false;
    for (int look = 0; look < LOOKS; look++) {
        before = kernel->in;
        unread = kernel_unread(fd); /* nobody has missed these */
        if (!kernel_count(fd, kernel))
            return false;
        if (kernel->in == before)
            break;
    }
    kernel->in -= unread < kernel->in ? unread : kernel->in;
    if (kernel->maybe_end && kernel->in == in + 1)
        kernel->in--;
    return true;
}

bool coverage_closed(const struct conn *conn, int fd, struct kernel_bytes *kernel)
{
    *kernel = (struct kernel_bytes){0};
    uint64_t out = atomic_load_explicit(&conn->seen_out, memory_order_relaxed);
    uint64_t in = atomic_load_explicit(&conn->seen_in, memory_order_relaxed);
    uint32_t owner = atomic_load_explicit(&host.owner, memory_order_relaxed);
    /* A child tells what it saw of a connection; how many bytes there were is its parent's to tell. */
    if (conn->is_unix || (!conn->inherited && !kernel_count(fd, kernel)))
        return false;
    if (!conn->inherited && (kernel->out != out || kernel->in != in) && !settle(conn, fd, kernel, in))
        return false;
    add(&seg_row(&host.segment, conn->row)->coverage, kernel, out, in);
    if (owner)
        add(&seg_process(&host.segment, owner_index(owner))->coverage, kernel, out, in);
    return kernel->out > 0 && out == 0 && in == 0;
}
