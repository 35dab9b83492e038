/* SPDX-License-Identifier: MIT
 * The kernel's view of a socket. */
#include "conn/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "real/raw.h"

uint64_t kernel_cookie(int fd)
{
    uint64_t cookie = 0;
    unsigned length = sizeof cookie;
    return raw_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

bool kernel_may_be(int fd, uint64_t cookie)
{
    uint64_t seen = 0;
    unsigned length = sizeof seen;
    int error = raw_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &seen, &length);
    return error == 0 ? cookie == 0 || seen == cookie : error != -EBADF && error != -ENOTSOCK;
}

static bool tcp_info(int fd, struct tcp_info *info)
{
    unsigned length = sizeof *info;
    memset(info, 0, sizeof *info);
    return raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) == 0;
}

enum kernel_state kernel_connection(int fd)
{
    struct tcp_info info;
    if (!tcp_info(fd, &info)) { /* AF_UNIX connects at once or not at all */
        struct sockaddr_storage peer;
        unsigned length = sizeof peer;
        return raw_syscall(SYS_getpeername, fd, (long)&peer, (long)&length, 0, 0, 0) == 0 ? KERNEL_CONNECTED
                                                                                          : KERNEL_CLOSED;
    }
    if (info.tcpi_state == TCP_SYN_SENT || info.tcpi_state == TCP_SYN_RECV)
        return KERNEL_CONNECTING;
    return info.tcpi_state == TCP_CLOSE ? KERNEL_CLOSED : KERNEL_CONNECTED;
}

bool kernel_has_bytes(int fd)
{
    int bytes = 0;
    return raw_syscall(SYS_ioctl, fd, FIONREAD, (long)&bytes, 0, 0, 0) == 0 && bytes > 0;
}

/* The part of the kernel's struct tcp_info that libc's header does not know (linux/tcp.h; it cannot be included beside
 * netinet/tcp.h). A kernel before 4.1 fills less of it. */
struct tcp_bytes {
    uint8_t before[120];
    uint64_t acked;
    uint64_t received;
};
_Static_assert(offsetof(struct tcp_bytes, acked) == 120, "tcpi_bytes_acked");

/* As far as Linux 4.19 fills it. */
struct tcp_sent {
    uint8_t state;
    uint8_t before[43];
    uint32_t last_sent_ms;
    uint8_t amid[80];
    uint64_t received;
    uint8_t between[8];
    uint32_t unsent;
    uint8_t behind[52];
    uint64_t sent, resent;
};
_Static_assert(offsetof(struct tcp_sent, last_sent_ms) == 44, "tcpi_last_data_sent");
_Static_assert(offsetof(struct tcp_sent, received) == 128 && offsetof(struct tcp_sent, unsent) == 144, "tcpi");
_Static_assert(offsetof(struct tcp_sent, sent) == 200, "tcpi_bytes_sent");

static bool tcp_bytes(int fd, struct tcp_bytes *bytes)
{
    unsigned length = sizeof *bytes;
    memset(bytes, 0, sizeof *bytes);
    return raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, bytes, &length) == 0 && length == sizeof *bytes;
}

bool kernel_received(int fd, _Atomic uint64_t *seen)
{
    struct tcp_bytes bytes;
    if (kernel_has_bytes(fd))
        return true;
    if (!tcp_bytes(fd, &bytes) || bytes.received <= atomic_load(seen))
        return false;
    atomic_store(seen, bytes.received);
    return true;
}

bool kernel_sending(int fd, _Atomic uint64_t *acked, uint64_t earlier)
{
    enum { SYN = 1 }; /* is counted */
    int queued = 0;
    struct tcp_bytes bytes;
    if (raw_syscall(SYS_ioctl, fd, SIOCOUTQ, (long)&queued, 0, 0, 0) != 0 || !tcp_bytes(fd, &bytes))
        return false;
    uint64_t before = atomic_exchange(acked, bytes.acked);
    if (before == 0)
        return queued > 0 && bytes.acked > earlier + SYN;
    return bytes.acked > before;
}

bool kernel_count(int fd, struct kernel_bytes *bytes)
{
    struct tcp_sent info;
    unsigned length = sizeof info;
    memset(&info, 0, sizeof info);
    if (raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 || length != sizeof info)
        return false;
    bool ended = info.state == TCP_CLOSE_WAIT || info.state == TCP_LAST_ACK || info.state == TCP_CLOSING ||
                 info.state == TCP_TIME_WAIT;
    bytes->out = info.sent - info.resent + info.unsent;
    bytes->in = info.received - (ended && info.received > 0);
    bytes->unasked_ns = (uint64_t)info.last_sent_ms * NS_PER_MS;
    bytes->maybe_end = info.state == TCP_CLOSE;
    return true;
}

uint64_t kernel_unread(int fd)
{
    int bytes = 0;
    return raw_syscall(SYS_ioctl, fd, FIONREAD, (long)&bytes, 0, 0, 0) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

int kernel_take_error(int fd)
{
    int error = 0;
    unsigned length = sizeof error;
    return raw_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : 0;
}

void kernel_cancel(int fd)
{
    raw_shutdown(fd, SHUT_RDWR);
}

void kernel_disconnect(int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    raw_connect(fd, &none, sizeof none);
}

void kernel_reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    struct linger before = {0};
    unsigned length = sizeof before;
    raw_getsockopt(fd, SOL_SOCKET, SO_LINGER, &before, &length);
    raw_setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    kernel_disconnect(fd);
    raw_setsockopt(fd, SOL_SOCKET, SO_LINGER, &before, sizeof before);
}

bool kernel_nonblocking(int fd)
{
    int flags = raw_fcntl(fd, F_GETFL, 0);
    return flags >= 0 && (flags & O_NONBLOCK);
}

int64_t kernel_get_timeout(int fd, int option)
{
    struct timeval value = {0};
    unsigned length = sizeof value;
    if (raw_getsockopt(fd, SOL_SOCKET, option, &value, &length) != 0)
        return 0;
    return (int64_t)value.tv_sec * NS_PER_S + (int64_t)value.tv_usec * NS_PER_US;
}

void kernel_set_timeout(int fd, int option, int64_t ns)
{
    int64_t us = (ns + NS_PER_US - 1) / NS_PER_US;
    struct timeval value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    raw_setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

bool kernel_limit_writes(int fd, int64_t ns)
{
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    unsigned value = 0, length = sizeof value;
    if (raw_getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length) != 0 || value != 0)
        return false;
    value = ms < INT_MAX ? (unsigned)ms : INT_MAX;
    return raw_setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value) == 0;
}

enum { KERNEL_SIGSET_BYTES = 8 };

/* rt_sigprocmask copies the set before it looks at `how`: with a `how` that does not exist it answers EINVAL for
 * memory that it could read and EFAULT for memory that it could not, and changes nothing. */
static bool probe(const void *addr)
{
    enum { NO_SUCH_HOW = 0x7fff };
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_HOW, (long)addr, 0, KERNEL_SIGSET_BYTES, 0, 0) != -EFAULT;
}

bool kernel_readable(const void *addr, unsigned bytes)
{
    const char *first = addr;
    const char *last = bytes > 8 ? first + bytes - 8 : first;
    bool one_page = ((uintptr_t)first & 4095) + bytes <= 4096;
    return first && probe(first) && (one_page || probe(last)); /* the probe takes NULL for a question */
}

/* The kernel writes the mask of blocked signals there: 8 bytes at a time. */
bool kernel_writable(void *addr, unsigned bytes)
{
    char *first = addr;
    for (unsigned at = 0; first && at < bytes; at += KERNEL_SIGSET_BYTES)
        if (raw_syscall(SYS_rt_sigprocmask, 0, 0, (long)(first + at), KERNEL_SIGSET_BYTES, 0, 0) != 0)
            return false;
    return first != NULL;
}

bool kernel_int_writable(int fd, void *addr)
{
    int before;
    if (!kernel_readable(addr, sizeof before))
        return false;
    memcpy(&before, addr, sizeof before);
    if (raw_syscall(SYS_ioctl, fd, FIONREAD, (long)addr, 0, 0, 0) != 0)
        return false;
    memcpy(addr, &before, sizeof before);
    return true;
}

/* libc's own signals, for pthread_cancel and setuid: its sigaction() refuses them. Until 2.34 libpthread caught the
 * first one from the start and without SA_RESTART; the handler never returns into a call. */
#define FIRST_OF_LIBC 32
#define LAST_OF_LIBC  33

bool kernel_signals_restart(void)
{
    for (int signo = 1; signo <= 64; signo++) {
        if (signo >= FIRST_OF_LIBC && signo <= LAST_OF_LIBC)
            continue;
        struct {
            void *handler;
            unsigned long flags;
            void *rest[4];
        } action = {0};
        if (raw_syscall(SYS_rt_sigaction, signo, 0, (long)&action, 8, 0, 0) != 0)
            continue;
        /* A handler for one delivery is gone when we ask, but its flags still stand there. */
        bool caught = action.handler == (void *)SIG_DFL ? (action.flags & (unsigned)SA_RESETHAND) != 0
                                                        : action.handler != (void *)SIG_IGN;
        if (caught && !(action.flags & SA_RESTART))
            return false;
    }
    return true;
}
