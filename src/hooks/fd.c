/* SPDX-License-Identifier: MIT
 * The life of descriptors: close, duplicate, change of blocking mode. The record goes before the real close, so that a
 * thread that gets the number next never meets it.
 *
 * A vfork child runs these hooks in its parent's memory: there nothing is recorded but that the table does not
 * describe its descriptors any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "conn/block.h"
#include "conn/lineage.h"
#include "conn/park.h"
#include "conn/pending.h"
#include "conn/track.h"
#include "hooks/fd.h"
#include "hooks/hook.h"
#include "real/raw.h"

static bool is_recorded(void)
{
    if (!lineage_borrowed())
        return true;
    conn_mark_astray();
    return false;
}

struct closing fd_forget(int fd)
{
    return conn_of(fd) && is_recorded() ? track_close(fd) : (struct closing){NULL, 0};
}

void fd_forget_range(unsigned first, unsigned last)
{
    if (atomic_load(&conn_live) == 0 || !is_recorded())
        return;
    track_close_range(first, last);
}

/* `to` is a new name of the socket of `from`. What is known of `to` was closed behind our back. */
int fd_alias(int from, int to)
{
    if (to >= 0 && to != from && (conn_of(from) || conn_of(to)) && !lineage_borrowed()) {
        track_closed(track_close(to));
        conn_alias(from, to);
    }
    return to;
}

HOOK int close(int fd)
{
    if (__builtin_expect(conn_of(fd) == NULL, 1))
        return real.close(fd);
    struct closing closing = fd_forget(fd);
    int result = real.close(fd);
    track_closed(closing);
    return result;
}

HOOK int close_range(unsigned first, unsigned last, int flags)
{
    /* Before the call, but only for one that the kernel will accept. */
    bool closes = ((unsigned)flags & ~CLOSE_RANGE_UNSHARE) == 0 && first <= last;
    if (closes)
        fd_forget_range(first, last);
    int result = real.close_range(first, last, flags);
    track_sweep();
    return result;
}

HOOK void closefrom(int first)
{
    fd_forget_range(first < 0 ? 0 : (unsigned)first, ~0u);
    real.closefrom(first);
    track_sweep();
}

/* libc closes a stream's descriptor without a call that we would see. */
static struct closing forget_stream(FILE *stream)
{
    int saved = errno;
    int fd = stream ? fileno(stream) : -1; /* -1 for a stream without a descriptor */
    errno = saved;
    return fd_forget(fd);
}

HOOK int fclose(FILE *stream)
{
    struct closing closing = forget_stream(stream);
    int result = real.fclose(stream);
    track_closed(closing);
    return result;
}

/* Closes the old descriptor whether it succeeds or not, and opens the new file under the same number. */
HOOK FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    struct closing closing = forget_stream(stream);
    FILE *result = real.freopen(path, mode, stream);
    track_closed(closing);
    return result;
}

HOOK FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    struct closing closing = forget_stream(stream);
    FILE *result = real.freopen64(path, mode, stream);
    track_closed(closing);
    return result;
}

HOOK int shutdown(int fd, int how)
{
    struct conn *conn = conn_of(fd);
    if (conn && how != SHUT_WR)
        atomic_store(&conn->own_shutdown, 1);
    bool pending = conn && conn_state(conn) == CONN_CONNECTING && !track_settle(conn, fd);
    if (pending && pending_holds(conn)) {
        track_cancelled(conn); /* in the kernel there is nothing to end */
        park_end(conn);
        return 0;
    }
    int result = real.shutdown(fd, how);
    if (pending && result == 0 && how != SHUT_WR)
        track_cancelled(conn);
    return result;
}

HOOK int dup(int fd)
{
    return fd_alias(fd, real.dup(fd));
}

/* The target is closed by the call, if the call succeeds: whether it can is asked before. */
struct closing fd_replace(int from, int to)
{
    bool closes = conn_of(to) && from != to && raw_fcntl(from, F_GETFD, 0) >= 0;
    return closes ? fd_forget(to) : (struct closing){NULL, 0};
}

HOOK int dup2(int from, int to)
{
    struct closing closing = fd_replace(from, to);
    int result = real.dup2(from, to);
    track_closed(closing);
    return fd_alias(from, result);
}

HOOK int __dup2(int from, int to)
{
    return dup2(from, to);
}

HOOK int dup3(int from, int to, int flags)
{
    struct closing closing = fd_replace(from, to);
    int result = real.dup3(from, to, flags);
    track_closed(closing);
    return fd_alias(from, result);
}

void fd_mode_changed(int fd, bool nonblocking)
{
    struct conn *conn = conn_of(fd);
    if (conn && !lineage_borrowed())
        block_mode(conn, fd, !nonblocking);
}

int fd_after_fcntl(int fd, int command, long argument, int result)
{
    if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
        return fd_alias(fd, result);
    if (result >= 0 && command == F_SETFL)
        fd_mode_changed(fd, (argument & O_NONBLOCK) != 0);
    return result;
}

#define VARIADIC(last, argument)                                                                                       \
    va_list args;                                                                                                      \
    va_start(args, last);                                                                                              \
    long argument = va_arg(args, long);                                                                                \
    va_end(args)

HOOK int fcntl(int fd, int command, ...)
{
    VARIADIC(command, argument);
    int result = real.fcntl(fd, command, argument);
    return conn_of(fd) ? fd_after_fcntl(fd, command, argument, result) : result;
}

HOOK int fcntl64(int fd, int command, ...)
{
    VARIADIC(command, argument);
    int result = real.fcntl64(fd, command, argument);
    return conn_of(fd) ? fd_after_fcntl(fd, command, argument, result) : result;
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
    VARIADIC(request, argument);
    int result = real.ioctl(fd, request, argument);
    if (result >= 0 && request == FIONBIO && conn_of(fd))
        fd_mode_changed(fd, *(const int *)argument != 0);
    return result;
}

ALIAS(__close, close);
ALIAS(__fcntl, fcntl);
