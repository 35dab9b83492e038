/* SPDX-License-Identifier: MIT
 * One call of one symbol on a connection: symbols CASE ECHO_PORT SILENT_PORT DEAD_PORT NAME.
 *
 * A case is named after its symbol, with ":VARIANT" where there are several. `symbols --list` prints "KIND CASE". What
 * each kind does around the call is below; what the library must have made of it, test_23_symbols.py knows. Prints what
 * the program saw. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

extern int __connect(int, const struct sockaddr *, socklen_t);
extern ssize_t __read(int, void *, size_t);
extern ssize_t __write(int, const void *, size_t);
extern ssize_t __send(int, const void *, size_t, int);
#ifdef __aarch64__ /* a machine younger than this alias */
#define __send send
#endif
extern int __poll(struct pollfd *, nfds_t, int);
extern int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
extern int __close(int);
extern int __dup2(int, int);
extern int __fcntl(int, int, ...);
extern ssize_t __read_chk(int, void *, size_t, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
#if !__GLIBC_PREREQ(2, 34)
extern int close_range(unsigned, unsigned, int);
extern void closefrom(int);
extern int epoll_pwait2(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
#endif

static const char *host;
static int echo_port, silent_port, dead_port;
static struct sockaddr_in to;
static char buf[64];
static struct iovec five = {buf, 5};
static struct msghdr message = {.msg_iov = &five, .msg_iovlen = 1};
static struct mmsghdr messages = {.msg_hdr = {.msg_iov = &five, .msg_iovlen = 1}};
static const struct timespec patience = {5, 0};

static struct sockaddr *address(int port)
{
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return (struct sockaddr *)&to;
}

static int make_socket(int port, int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || (connect(fd, address(port), sizeof to) != 0 && errno != EINPROGRESS))
        exit(3);
    if (flags)
        poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 5000);
    return fd;
}

static void show(const char *what, long result)
{
    printf("%s %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static FILE *stream(int fd)
{
    FILE *file = fdopen(fd, "r");
    return file ? file : (exit(3), NULL);
}

static long file_to(int fd, int wide)
{
    FILE *file = tmpfile();
    fputs("hello", file);
    fflush(file);
    off_t from = 0;
    off64_t from64 = 0;
    return wide ? sendfile64(fd, fileno(file), &from64, 5) : sendfile(fd, fileno(file), &from, 5);
}

static long pipe_to(int fd, long number)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "hello", 5) != 5)
        exit(3);
    return number ? syscall(number, ends[0], NULL, fd, NULL, 5L, 0) : splice(ends[0], NULL, fd, NULL, 5, 0);
}

static long to_pipe(int fd, long number)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(3);
    long got = number ? syscall(number, fd, NULL, ends[1], NULL, 5L, 0) : splice(fd, NULL, ends[1], NULL, 5, 0);
    return got == 5 ? read(ends[0], buf, 5) : got;
}

static int wait_select(int fd, int (*waits)(int, fd_set *, fd_set *, fd_set *, struct timeval *))
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    struct timeval limit = {5, 0};
    return waits(fd + 1, &in, NULL, NULL, &limit);
}

#ifdef SYS__newselect
#define SELECT_NUMBER SYS__newselect
#elif defined(SYS_select)
#define SELECT_NUMBER SYS_select
#else
#define SELECT_NUMBER SYS_pselect6
#endif
/* The kernel's own time, which it writes to: five seconds. */
static void *fresh_time(void)
{
    static long time[2];
    time[0] = 5;
    time[1] = 0;
    return time;
}

static int raw_pwait2(int epfd)
{
    struct epoll_event one;
#if defined(SYS_epoll_pwait2) && !defined(__i386__) /* there it has a time of its own */
    return (int)syscall(SYS_epoll_pwait2, epfd, &one, 1L, fresh_time(), NULL, 8L);
#else
    return (int)syscall(SYS_epoll_pwait, epfd, &one, 1L, 5000L, NULL, 8L);
#endif
}

static fd_set *only(int fd)
{
    static fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return &set;
}

static int wait_pselect(int fd)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return pselect(fd + 1, &in, NULL, NULL, &patience, NULL);
}

static struct epoll_event event = {.events = EPOLLIN};
static int registered(int fd)
{
    int epfd = epoll_create1(0);
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) == 0 ? epfd : -1;
}

static int fastopen(int kind)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    message.msg_name = address(echo_port);
    message.msg_namelen = sizeof to;
    if (kind == 0)
        show("sendto", sendto(fd, buf, 5, MSG_FASTOPEN, address(echo_port), sizeof to));
    else if (kind == 1)
        show("sendmsg", sendmsg(fd, &message, MSG_FASTOPEN));
    else if (kind == 2)
        show("syscall", syscall(SYS_sendto, fd, buf, 5L, (long)MSG_FASTOPEN, address(echo_port), (long)sizeof to));
    else if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) != 0 ||
             connect(fd, address(echo_port), sizeof to) != 0 || write(fd, buf, 5) != 5)
        show("TCP_FASTOPEN_CONNECT", -1);
    return fd;
}

static int connects(int (*call)(int, const struct sockaddr *, socklen_t))
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    show("connect", call(fd, address(echo_port), sizeof to));
    show("write", write(fd, "hello", 5));
    return fd;
}

static int connect_by_number(int fd, const struct sockaddr *addr, socklen_t length)
{
    return (int)syscall(SYS_connect, fd, addr, (long)length);
}

static int resolved(const struct hostent *entry)
{
    if (!entry)
        return -1;
    memcpy(&to.sin_addr, entry->h_addr_list[0], sizeof to.sin_addr);
    return 0;
}

static int by_getaddrinfo(void)
{
    struct addrinfo *list, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return -1;
    to.sin_addr = ((struct sockaddr_in *)(void *)list->ai_addr)->sin_addr;
    freeaddrinfo(list);
    return 0;
}

static int by_name_r(int family)
{
    static char room[8192];
    static struct hostent entry;
    struct hostent *found = NULL;
    int error, result = family ? gethostbyname2_r(host, family, &entry, room, sizeof room, &found, &error)
                               : gethostbyname_r(host, &entry, room, sizeof room, &found, &error);
    return result == 0 ? resolved(found) : -1;
}

static long shorter_receive(int fd)
{
    struct timeval limit = {2, 0}, seen = {0};
    socklen_t length = sizeof seen;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &seen, &length);
    return (long)seen.tv_sec;
}

static long error_of(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 5000);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

static int off = 0;

/* IN: "hello" comes back from the echo; the call receives it.  OUT: the call sends "hello"; the echo is read.
 * WAIT: the call waits for a silent server.  MODE: the call makes a descriptor blocking again.
 * GONE: the call ends the descriptor.  ALIAS: the call gives another descriptor of the socket.
 * OPEN: the call connects to the echo and gives the descriptor.  NAME: the call resolves `host`.
 * OTHER: the call does it all, with a silent server. */
#define CASES(IN, OUT, WAIT, MODE, GONE, ALIAS, OPEN, NAME, OTHER)                                                     \
    OPEN("connect", connects(connect))                                                                                 \
    OPEN("__connect", connects(__connect))                                                                             \
    OPEN("syscall:connect", connects(connect_by_number))                                                               \
    OPEN("sendto:fastopen", fastopen(0))                                                                               \
    OPEN("sendmsg:fastopen", fastopen(1))                                                                              \
    OPEN("syscall:fastopen", fastopen(2))                                                                              \
    OPEN("connect:fastopen", fastopen(3))                                                                              \
    OTHER("getsockopt", show("SO_ERROR", error_of(make_socket(dead_port, SOCK_NONBLOCK))))                             \
    OTHER("setsockopt", show("SO_RCVTIMEO", shorter_receive(fd)))                                                      \
    OTHER("shutdown", show("shutdown", write(fd, buf, 1) == 1 && shutdown(fd, SHUT_RDWR) == 0))                        \
    OTHER("syscall:shutdown", show("shutdown", write(fd, buf, 1) == 1 && syscall(SYS_shutdown, fd, SHUT_RDWR) == 0))   \
    IN("read", read(fd, buf, 5))                                                                                       \
    IN("readv", readv(fd, &five, 1))                                                                                   \
    IN("recv", recv(fd, buf, 5, MSG_WAITALL))                                                                          \
    IN("recvfrom", recvfrom(fd, buf, 5, 0, NULL, NULL))                                                                \
    IN("recvmsg", recvmsg(fd, &message, 0))                                                                            \
    IN("recvmmsg", recvmmsg(fd, &messages, 1, 0, NULL) == 1 ? (long)messages.msg_len : -1)                             \
    IN("__read_chk", __read_chk(fd, buf, 5, sizeof buf))                                                               \
    IN("__recv_chk", __recv_chk(fd, buf, 5, sizeof buf, 0))                                                            \
    IN("__recvfrom_chk", __recvfrom_chk(fd, buf, 5, sizeof buf, 0, NULL, NULL))                                        \
    IN("__read", __read(fd, buf, 5))                                                                                   \
    IN("preadv2", preadv2(fd, &five, 1, -1, 0))                                                                        \
    IN("preadv64v2", preadv64v2(fd, &five, 1, -1, 0))                                                                  \
    IN("splice:in", to_pipe(fd, 0))                                                                                    \
    IN("syscall:read", syscall(SYS_read, fd, buf, 5L))                                                                 \
    IN("syscall:readv", syscall(SYS_readv, fd, &five, 1L))                                                             \
    IN("syscall:recvfrom", syscall(SYS_recvfrom, fd, buf, 5L, 0L, NULL, NULL))                                         \
    IN("syscall:recvmsg", syscall(SYS_recvmsg, fd, &message, (long)MSG_WAITALL))                                       \
    IN("syscall:recvmmsg", syscall(SYS_recvmmsg, fd, &messages, 1L, 0L, NULL) == 1 ? (long)messages.msg_len : -1)      \
    IN("syscall:preadv2", syscall(SYS_preadv2, fd, &five, 1L, -1L, -1L, 0L))                                           \
    IN("syscall:splice-in", to_pipe(fd, SYS_splice))                                                                   \
    OUT("write", write(fd, buf, 5))                                                                                    \
    OUT("writev", writev(fd, &five, 1))                                                                                \
    OUT("send", send(fd, buf, 5, 0))                                                                                   \
    OUT("sendto", sendto(fd, buf, 5, 0, NULL, 0))                                                                      \
    OUT("sendmsg", sendmsg(fd, &message, 0))                                                                           \
    OUT("sendmmsg", sendmmsg(fd, &messages, 1, 0) == 1 ? (long)messages.msg_len : -1)                                  \
    OUT("sendfile", file_to(fd, 0))                                                                                    \
    OUT("sendfile64", file_to(fd, 1))                                                                                  \
    OUT("splice", pipe_to(fd, 0))                                                                                      \
    OUT("__write", __write(fd, buf, 5))                                                                                \
    OUT("__send", __send(fd, buf, 5, 0))                                                                               \
    OUT("pwritev2", pwritev2(fd, &five, 1, -1, 0))                                                                     \
    OUT("pwritev64v2", pwritev64v2(fd, &five, 1, -1, 0))                                                               \
    OUT("syscall:write", syscall(SYS_write, fd, buf, 5L))                                                              \
    OUT("syscall:writev", syscall(SYS_writev, fd, &five, 1L))                                                          \
    OUT("syscall:sendto", syscall(SYS_sendto, fd, buf, 5L, 0L, NULL, 0L))                                              \
    OUT("syscall:sendmsg", syscall(SYS_sendmsg, fd, &message, 0L))                                                     \
    OUT("syscall:sendmmsg", syscall(SYS_sendmmsg, fd, &messages, 1L, 0L) == 1 ? (long)messages.msg_len : -1)           \
    OUT("syscall:pwritev2", syscall(SYS_pwritev2, fd, &five, 1L, -1L, -1L, 0L))                                        \
    OUT("syscall:splice", pipe_to(fd, SYS_splice))                                                                     \
    WAIT("poll", poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000))                                                       \
    WAIT("__poll", __poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000))                                                   \
    WAIT("__poll_chk", __poll_chk(&(struct pollfd){fd, POLLIN, 0}, 1, 5000, sizeof(struct pollfd)))                    \
    WAIT("ppoll", ppoll(&(struct pollfd){fd, POLLIN, 0}, 1, &patience, NULL))                                          \
    WAIT("__ppoll_chk", PPOLL_CHK(fd))                                                                                 \
    WAIT("select", wait_select(fd, select))                                                                            \
    WAIT("__select", wait_select(fd, OLD_SELECT))                                                                      \
    WAIT("pselect", wait_pselect(fd))                                                                                  \
    WAIT("epoll_wait", epoll_wait(registered(fd), &event, 1, 5000))                                                    \
    WAIT("epoll_pwait", epoll_pwait(registered(fd), &event, 1, 5000, NULL))                                            \
    WAIT("epoll_pwait2", epoll_pwait2(registered(fd), &event, 1, &patience, NULL))                                     \
    WAIT("syscall:epoll_pwait", syscall(SYS_epoll_pwait, registered(fd), &event, 1L, 5000L, NULL, 8L))                 \
    WAIT("syscall:epoll_pwait2", raw_pwait2(registered(fd)))                                                           \
    WAIT("syscall:ppoll", syscall(SYS_ppoll, &(struct pollfd){fd, POLLIN, 0}, 1L, fresh_time(), NULL, 8L))             \
    WAIT("syscall:pselect6", syscall(SYS_pselect6, fd + 1L, only(fd), NULL, NULL, fresh_time(), NULL))                 \
    WAIT("syscall:select", syscall(SELECT_NUMBER, fd + 1L, only(fd), NULL, NULL, fresh_time()))                        \
    OTHER("epoll_ctl", show("epoll_wait", epoll_wait(registered(fd), &event, 1, 5000)))                                \
    MODE("fcntl:mode", fcntl(fd, F_SETFL, 0))                                                                          \
    MODE("fcntl64:mode", fcntl64(fd, F_SETFL, 0))                                                                      \
    MODE("__fcntl:mode", __fcntl(fd, F_SETFL, 0))                                                                      \
    MODE("ioctl", ioctl(fd, FIONBIO, &off))                                                                            \
    MODE("syscall:fcntl", syscall(SYS_fcntl, fd, F_SETFL, 0L))                                                         \
    MODE("syscall:ioctl", syscall(SYS_ioctl, fd, FIONBIO, &off))                                                       \
    GONE("close", close(fd))                                                                                           \
    GONE("__close", __close(fd))                                                                                       \
    GONE("close_range", close_range((unsigned)fd, ~0u, 0))                                                             \
    GONE("closefrom", (closefrom(fd), 0))                                                                              \
    GONE("fclose", fclose(stream(fd)))                                                                                 \
    GONE("freopen", freopen("/dev/null", "r", stream(fd)) ? 0 : -1)                                                    \
    GONE("freopen64", freopen64("/dev/null", "r", stream(fd)) ? 0 : -1)                                                \
    GONE("freopen:fails", freopen("/nowhere/at/all", "r", stream(fd)) ? -1 : 0)                                        \
    GONE("dup2:gone", dup2(0, fd) == fd ? 0 : -1)                                                                      \
    GONE("dup3:gone", dup3(0, fd, O_CLOEXEC) == fd ? 0 : -1)                                                           \
    GONE("syscall:close", syscall(SYS_close, fd))                                                                      \
    GONE("syscall:close_range", syscall(SYS_close_range, (long)fd, (long)fd, 0L))                                      \
    GONE("syscall:dup3-gone", syscall(SYS_dup3, 0L, (long)fd, 0L) == fd ? 0 : -1)                                      \
    ALIAS("dup", dup(fd))                                                                                              \
    ALIAS("dup2", dup2(fd, 100))                                                                                       \
    ALIAS("__dup2", __dup2(fd, 100))                                                                                   \
    ALIAS("dup3", dup3(fd, 100, O_CLOEXEC))                                                                            \
    ALIAS("fcntl", fcntl(fd, F_DUPFD, 50))                                                                             \
    ALIAS("fcntl64", fcntl64(fd, F_DUPFD_CLOEXEC, 50))                                                                 \
    ALIAS("__fcntl", __fcntl(fd, F_DUPFD_CLOEXEC, 50))                                                                 \
    ALIAS("syscall:dup", (int)syscall(SYS_dup, fd))                                                                    \
    ALIAS("syscall:dup3", (int)syscall(SYS_dup3, fd, 100L, 0L))                                                        \
    ALIAS("syscall:fcntl-dup", (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 50L))                                      \
    NAME("getaddrinfo", by_getaddrinfo())                                                                              \
    NAME("gethostbyname", resolved(gethostbyname(host)))                                                               \
    NAME("gethostbyname2", resolved(gethostbyname2(host, AF_INET)))                                                    \
    NAME("gethostbyname_r", by_name_r(0))                                                                              \
    NAME("gethostbyname2_r", by_name_r(AF_INET))

#if defined(__i386__) && defined(_TIME_BITS) /* no such names with a wide time_t */
#define PPOLL_CHK(fd) ppoll(&(struct pollfd){fd, POLLIN, 0}, 1, &patience, NULL)
#define OLD_SELECT    select
#else
#define PPOLL_CHK(fd) __ppoll_chk(&(struct pollfd){fd, POLLIN, 0}, 1, &patience, NULL, sizeof(struct pollfd))
#define OLD_SELECT    __select
#endif

/* Says that the call is done; whoever counts connections ends the pause. */
static void pause_for_test(void)
{
    puts("ready");
    fflush(stdout);
    getchar();
}

static void converse(int fd)
{
    show("write", write(fd, "hello", 5));
    memset(buf, 0, sizeof buf);
    show("read", read(fd, buf, 5));
    puts(buf);
}

static const char *wanted;
static int is(const char *name)
{
    return strcmp(wanted, name) == 0;
}

#define DO_IN(name, call)                                                                                              \
    if (is(name)) {                                                                                                    \
        fd = make_socket(echo_port, 0);                                                                                \
        show("write", write(fd, "hello", 5));                                                                          \
        memset(buf, 0, sizeof buf);                                                                                    \
        show("call", call);                                                                                            \
        puts(buf);                                                                                                     \
        return;                                                                                                        \
    }
#define DO_OUT(name, call)                                                                                             \
    if (is(name)) {                                                                                                    \
        fd = make_socket(echo_port, 0);                                                                                \
        show("call", call);                                                                                            \
        memset(buf, 0, sizeof buf);                                                                                    \
        show("read", read(fd, buf, 5));                                                                                \
        puts(buf);                                                                                                     \
        return;                                                                                                        \
    }
#define DO_WAIT(name, call)                                                                                            \
    if (is(name)) {                                                                                                    \
        fd = make_socket(silent_port, 0);                                                                              \
        show("write", write(fd, "hello", 5));                                                                          \
        show("call", call);                                                                                            \
        show("recv", recv(fd, buf, 5, MSG_DONTWAIT));                                                                  \
        return;                                                                                                        \
    }
#define DO_MODE(name, call)                                                                                            \
    if (is(name)) {                                                                                                    \
        fd = make_socket(silent_port, SOCK_NONBLOCK);                                                                  \
        show("call", call);                                                                                            \
        show("write", write(fd, "hello", 5));                                                                          \
        show("read", read(fd, buf, 5));                                                                                \
        return;                                                                                                        \
    }
#define DO_GONE(name, call)                                                                                            \
    if (is(name)) {                                                                                                    \
        fd = make_socket(echo_port, 0);                                                                                \
        show("call", call);                                                                                            \
        pause_for_test();                                                                                              \
        return;                                                                                                        \
    }
#define DO_ALIAS(name, call)                                                                                           \
    if (is(name)) {                                                                                                    \
        fd = make_socket(echo_port, 0);                                                                                \
        int alias = call;                                                                                              \
        show("alias", alias > 2);                                                                                      \
        close(fd);                                                                                                     \
        converse(alias);                                                                                               \
        pause_for_test();                                                                                              \
        close(alias);                                                                                                  \
        pause_for_test();                                                                                              \
        return;                                                                                                        \
    }
#define DO_OPEN(name, call)                                                                                            \
    if (is(name)) {                                                                                                    \
        memcpy(buf, "hello", 5);                                                                                       \
        fd = call;                                                                                                     \
        memset(buf, 0, sizeof buf);                                                                                    \
        show("read", read(fd, buf, 5));                                                                                \
        puts(buf);                                                                                                     \
        return;                                                                                                        \
    }
#define DO_NAME(name, call)                                                                                            \
    if (is(name)) {                                                                                                    \
        address(echo_port);                                                                                            \
        show("call", call);                                                                                            \
        fd = socket(AF_INET, SOCK_STREAM, 0);                                                                          \
        show("connect", connect(fd, (struct sockaddr *)&to, sizeof to));                                               \
        return;                                                                                                        \
    }
#define DO_OTHER(name, call)                                                                                           \
    if (is(name)) {                                                                                                    \
        fd = make_socket(silent_port, 0);                                                                              \
        call;                                                                                                          \
        show("recv", recv(fd, buf, 5, is("epoll_ctl") ? MSG_DONTWAIT : 0));                                            \
        return;                                                                                                        \
    }

static void run(void)
{
    int fd;
    memcpy(buf, "hello", 5);
    CASES(DO_IN, DO_OUT, DO_WAIT, DO_MODE, DO_GONE, DO_ALIAS, DO_OPEN, DO_NAME, DO_OTHER)
    exit(2);
}

int main(int argc, char **argv)
{
#define PRINT(kind, name) puts(kind " " name);
#define L_IN(name, call) PRINT("in", name)
#define L_OUT(name, call) PRINT("out", name)
#define L_WAIT(name, call) PRINT("wait", name)
#define L_MODE(name, call) PRINT("mode", name)
#define L_GONE(name, call) PRINT("gone", name)
#define L_ALIAS(name, call) PRINT("alias", name)
#define L_OPEN(name, call) PRINT("open", name)
#define L_NAME(name, call) PRINT("name", name)
#define L_OTHER(name, call) PRINT("other", name)
    if (argc == 2) {
        CASES(L_IN, L_OUT, L_WAIT, L_MODE, L_GONE, L_ALIAS, L_OPEN, L_NAME, L_OTHER)
        return 0;
    }
    if (argc != 6)
        return 2;
    wanted = argv[1];
    echo_port = atoi(argv[2]);
    silent_port = atoi(argv[3]);
    dead_port = atoi(argv[4]);
    host = argv[5];
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    run();
    clock_gettime(CLOCK_MONOTONIC, &end);
    fprintf(stderr, "%ld ms\n", (long)(end.tv_sec - start.tv_sec) * 1000 + (long)(end.tv_nsec - start.tv_nsec) / 1000000);
    return 0;
}
