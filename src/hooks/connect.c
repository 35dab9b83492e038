/* SPDX-License-Identifier: MIT
 * connect() and the options by which programs learn of it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"
#include "conn/attempt.h"
#include "conn/block.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "conn/pending.h"
#include "conn/steer.h"
#include "conn/track.h"
#include "hooks/hook.h"

HOOK int connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    return host.inert ? real.connect(fd, addr, length) : attempt_connect(fd, addr, length);
}

HOOK int __connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    return connect(fd, addr, length);
}

/* The result of an asynchronous connect, or of a connection that we ended. Who asks was told that there is one: it is
 * too late for another attempt, and 0 would mean a connection. */
static int collect_error(struct conn *conn, int fd, int kernel_error)
{
    if (conn_state(conn) == CONN_EXPIRED)
        return track_report(conn);
    if (conn_state(conn) != CONN_CONNECTING || pending_holds(conn))
        return kernel_error;
    if (kernel_error)
        track_connect_failed(conn, kernel_error, clock_now_ns());
    else
        track_settle(conn, fd);
    return kernel_error;
}

/* The kernel's SO_RCVTIMEO_NEW: two words of 64 bits whatever the program's time_t is. */
enum { RECEIVE_TIMEOUT_64 = 66 };

/* The application's own value, where the kernel holds ours. */
static void show_own_timeout(const struct conn *conn, void *value, socklen_t length, bool wide)
{
    int64_t own_us = atomic_load(&conn->app_receive_ns) / NS_PER_US;
    int64_t own64[2] = {own_us / 1000000, own_us % 1000000};
    struct timeval own = {.tv_sec = (time_t)own64[0], .tv_usec = (suseconds_t)own64[1]};
    socklen_t size = wide ? sizeof own64 : sizeof own;
    if (atomic_load(&conn->receive_known))
        memcpy(value, wide ? (const void *)own64 : &own, length < size ? length : size);
}

HOOK int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    struct conn *conn = conn_of(fd);
    if (conn && level == SOL_SOCKET)
        block_mend(conn, fd);
    int result = real.getsockopt(fd, level, name, value, length);
    if (!conn || result != 0)
        return result;
    if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT && conn->write_limited)
        memset(value, 0, *length);
    if (level != SOL_SOCKET)
        return result;
    if (name == SO_ERROR && *length == sizeof(int)) {
        int error;
        memcpy(&error, value, sizeof error);
        error = collect_error(conn, fd, error);
        memcpy(value, &error, sizeof error);
    } else if (name == SO_RCVTIMEO || name == RECEIVE_TIMEOUT_64) {
        show_own_timeout(conn, value, *length, name == RECEIVE_TIMEOUT_64);
    }
    return result;
}

HOOK int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    struct conn *conn = conn_of(fd);
    if (conn && level == SOL_SOCKET)
        block_mend(conn, fd); /* what it sets now stands */
    int result = real.setsockopt(fd, level, name, value, length);
    if (result == 0 && level == IPPROTO_TCP && name == TCP_FASTOPEN_CONNECT)
        attempt_defers();
    if (result == 0 && level == SOL_SOCKET && name == SO_RCVLOWAT)
        block_low_water();
    if (!conn || result != 0)
        return result;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == RECEIVE_TIMEOUT_64))
        block_app_timeout(conn, fd);
    if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT)
        conn->write_limited = false;
    return result;
}

/* The kernel has written the real peer: to memory that is valid, and with a *length that it could read. */
static SLOW int peer_of(const struct conn *conn, int fd, struct sockaddr *addr, socklen_t *length)
{
    socklen_t room = 0;
    bool readable = length && kernel_readable(length, sizeof *length);
    if (readable)
        room = *length;
    int result = real.getpeername(fd, addr, length);
    if (result == 0 && readable)
        steer_peer(conn, fd, addr, room, length);
    return result;
}

HOOK int getpeername(int fd, struct sockaddr *addr, socklen_t *length)
{
    const struct conn *conn = conn_of(fd);
    return conn && conn->asked_length > 0 ? peer_of(conn, fd, addr, length) : real.getpeername(fd, addr, length);
}
