/* SPDX-License-Identifier: MIT
 * Every call with addresses and descriptors that are not what they should be: bad_pointers ECHO_PORT.
 *
 * Each call is made in a process of its own, on a connection with four bytes to read, and its result is printed with what
 * the connection brings afterwards. The same is to be seen natively and under the library. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern int __connect(int, const struct sockaddr *, socklen_t);
extern ssize_t __read(int, void *, size_t);
extern ssize_t __write(int, const void *, size_t);
extern ssize_t __send(int, const void *, size_t, int);
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
extern char **environ;

static struct sockaddr_in to;
static const struct timespec none;
static int number, wanted, outcome, seen_errno;
static const char *name;

/* One call: `expression` is evaluated in the process whose number it has. */
#define TRY(label, expression)                                                                                         \
    if (number++ == wanted) {                                                                                          \
        name = label;                                                                                                  \
        errno = 0;                                                                                                     \
        outcome = (int)(expression);                                                                                   \
        seen_errno = errno;                                                                                            \
        return;                                                                                                        \
    }

static struct msghdr *message(struct iovec *iov, void *to_name, void *control)
{
    static struct msghdr one;
    one = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1, .msg_name = to_name, .msg_namelen = to_name ? 16 : 0,
                          .msg_control = control, .msg_controllen = control ? 32 : 0};
    return &one;
}

static struct mmsghdr *messages(struct iovec *iov)
{
    static struct mmsghdr one;
    one.msg_hdr = *message(iov, NULL, NULL);
    return &one;
}

static fd_set *only(int fd)
{
    static fd_set set;
    FD_ZERO(&set);
    if (fd >= 0 && fd < FD_SETSIZE)
        FD_SET(fd, &set);
    return &set;
}

static void receives(int fd, void *p)
{
    char room[8];
    struct iovec bad = {p, 4}, good = {room, 4}, *iov = p;
    struct sockaddr from;
    socklen_t length = sizeof from;
    TRY("read", read(fd, p, 4));
    TRY("read much", read(fd, p, SIZE_MAX / 2 + 1));
    TRY("read none", read(fd, p, 0));
    TRY("__read", __read(fd, p, 4));
    TRY("__read_chk", __read_chk(fd, p, 4, 4));
    TRY("readv iov", readv(fd, iov, 1));
    TRY("readv base", readv(fd, &bad, 1));
    TRY("readv negative", readv(fd, &good, -1));
    TRY("readv many", readv(fd, &good, 1 << 20));
    TRY("preadv2 iov", preadv2(fd, iov, 1, -1, 0));
    TRY("preadv2 base", preadv2(fd, &bad, 1, -1, 0));
    TRY("preadv64v2", preadv64v2(fd, &bad, 1, -1, 0));
    TRY("preadv2 offset", preadv2(fd, &good, 1, 5, 0));
    TRY("preadv2 flags", preadv2(fd, &good, 1, -1, 1 << 30));
    TRY("recv", recv(fd, p, 4, 0));
    TRY("recv all", recv(fd, p, 4, MSG_WAITALL));
    TRY("recv peek", recv(fd, p, 4, MSG_PEEK));
    TRY("recv truncated", recv(fd, p, 4, MSG_TRUNC));
    TRY("recv out of band", recv(fd, p, 4, MSG_OOB));
    TRY("recv queue", recv(fd, p, 4, MSG_ERRQUEUE | MSG_DONTWAIT));
    TRY("__recv_chk", __recv_chk(fd, p, 4, 4, 0));
    TRY("recvfrom", recvfrom(fd, p, 4, 0, NULL, NULL));
    TRY("recvfrom from", recvfrom(fd, room, 4, 0, p, &length));
    TRY("recvfrom length", recvfrom(fd, room, 4, 0, &from, p));
    TRY("__recvfrom_chk", __recvfrom_chk(fd, p, 4, 4, 0, NULL, NULL));
    TRY("recvmsg", recvmsg(fd, p, MSG_DONTWAIT));
    TRY("recvmsg iov", recvmsg(fd, message(iov, NULL, NULL), MSG_DONTWAIT));
    TRY("recvmsg base", recvmsg(fd, message(&bad, NULL, NULL), 0));
    TRY("recvmsg all", recvmsg(fd, message(&bad, NULL, NULL), MSG_WAITALL));
    TRY("recvmsg name", recvmsg(fd, message(&good, p, NULL), 0));
    TRY("recvmsg control", recvmsg(fd, message(&good, NULL, p), 0));
    TRY("recvmmsg", recvmmsg(fd, p, 1, MSG_DONTWAIT, NULL));
    TRY("recvmmsg base", recvmmsg(fd, messages(&bad), 1, 0, NULL));
    TRY("recvmmsg timeout", recvmmsg(fd, messages(&good), 1, 0, p));
    TRY("splice from", splice(fd, p, 1, NULL, 4, 0));
    TRY("syscall read", syscall(SYS_read, fd, p, 4L));
    TRY("syscall readv", syscall(SYS_readv, fd, p, 1L));
    TRY("syscall recvfrom", syscall(SYS_recvfrom, fd, p, 4L, 0L, 0L, 0L));
    TRY("syscall recvmsg", syscall(SYS_recvmsg, fd, p, MSG_DONTWAIT));
    TRY("syscall recvmmsg", syscall(SYS_recvmmsg, fd, p, 1L, MSG_DONTWAIT, 0L));
}

static void sends(int fd, void *p, int fresh)
{
    struct iovec bad = {p, 4}, *iov = p;
    struct iovec good = {"good", 4}, two[2] = {{"good", 4}, {p, 4}};
    int file = open("/proc/self/exe", O_RDONLY);
    TRY("write", write(fd, p, 4));
    TRY("write none", write(fd, p, 0));
    TRY("__write", __write(fd, p, 4));
    TRY("writev iov", writev(fd, iov, 1));
    TRY("writev base", writev(fd, &bad, 1));
    TRY("writev second", writev(fd, two, 2));
    TRY("writev negative", writev(fd, &good, -1));
    TRY("pwritev2 iov", pwritev2(fd, iov, 1, -1, 0));
    TRY("pwritev2 second", pwritev2(fd, two, 2, -1, 0));
    TRY("pwritev64v2", pwritev64v2(fd, &bad, 1, -1, 0));
    TRY("send", send(fd, p, 4, MSG_NOSIGNAL));
    TRY("__send", __send(fd, p, 4, MSG_NOSIGNAL));
    TRY("sendto", sendto(fd, p, 4, 0, NULL, 0));
    TRY("sendto to", sendto(fd, "good", 4, 0, p, 16));
    TRY("sendto fast", sendto(fresh, "good", 4, MSG_FASTOPEN, p, 16));
    TRY("sendto fast base", sendto(fresh, p, 4, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to));
    TRY("sendmsg", sendmsg(fd, p, 0));
    TRY("sendmsg iov", sendmsg(fd, message(iov, NULL, NULL), 0));
    TRY("sendmsg base", sendmsg(fd, message(&bad, NULL, NULL), 0));
    TRY("sendmsg name", sendmsg(fd, message(&good, p, NULL), 0));
    TRY("sendmsg control", sendmsg(fd, message(&good, NULL, p), 0));
    TRY("sendmsg fast", sendmsg(fresh, p, MSG_FASTOPEN));
    TRY("sendmmsg", sendmmsg(fd, p, 1, 0));
    TRY("sendmmsg base", sendmmsg(fd, messages(&bad), 1, 0));
    TRY("sendfile", sendfile(fd, file, p, 4));
    TRY("sendfile64", sendfile64(fd, file, p, 4));
    TRY("sendfile from nothing", sendfile(fd, -1, NULL, 4));
    TRY("splice", splice(file, NULL, fd, p, 4, 0));
    TRY("syscall write", syscall(SYS_write, fd, p, 4L));
    TRY("syscall writev", syscall(SYS_writev, fd, p, 1L));
    TRY("syscall sendto", syscall(SYS_sendto, fd, p, 4L, 0L, 0L, 0L));
    TRY("syscall sendmsg", syscall(SYS_sendmsg, fd, p, 0L));
    TRY("syscall sendmmsg", syscall(SYS_sendmmsg, fd, p, 1L, 0L));
    TRY("syscall sendfile", syscall(SYS_sendfile, fd, file, p, 4L));
}

static void waits(int fd, void *p)
{
    struct pollfd one = {fd, POLLIN, 0}, *fds = p;
    struct timeval zero = {0, 0};
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(0), count = fd >= 0 && fd < FD_SETSIZE ? fd + 1 : 1;
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
    TRY("poll", poll(fds, 1, 0));
    TRY("poll many", poll(fds, 1u << 30, 0));
    TRY("poll one", poll(&one, 1, 0));
    TRY("__poll", __poll(fds, 1, 0));
    TRY("__poll_chk", __poll_chk(fds, 1, 0, 64));
    TRY("ppoll", ppoll(fds, 1, &none, NULL));
    TRY("ppoll time", ppoll(&one, 1, p, NULL));
    TRY("ppoll mask", ppoll(&one, 1, &none, p));
    TRY("__ppoll_chk", __ppoll_chk(fds, 1, &none, NULL, 64));
    TRY("select in", select(count, p, NULL, NULL, &zero));
    TRY("select out", select(count, NULL, p, NULL, &zero));
    TRY("select except", select(count, only(fd), NULL, p, &zero));
    TRY("select time", select(count, only(fd), NULL, NULL, p));
    TRY("select negative", select(-1, p, p, p, &zero));
    TRY("__select", __select(count, p, NULL, NULL, &zero));
    TRY("pselect in", pselect(count, p, NULL, NULL, &none, NULL));
    TRY("pselect time", pselect(count, only(fd), NULL, NULL, p, NULL));
    TRY("pselect mask", pselect(count, only(fd), NULL, NULL, &none, p));
    TRY("epoll_ctl add", epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, p));
    TRY("epoll_ctl mod", epoll_ctl(epfd, EPOLL_CTL_MOD, fd, p));
    TRY("epoll_ctl del", epoll_ctl(epfd, EPOLL_CTL_DEL, fd, p));
    TRY("epoll_ctl twice", epoll_ctl(epfd, EPOLL_CTL_ADD, fd, p));
    TRY("epoll_ctl operation", epoll_ctl(epfd, 77, fd, p));
    TRY("epoll_ctl no set", epoll_ctl(fd, EPOLL_CTL_ADD, fd, p));
    TRY("epoll_wait", epoll_wait(epfd, p, 1, 0));
    TRY("epoll_wait none", epoll_wait(epfd, &event, 0, 0));
    TRY("epoll_wait no set", epoll_wait(fd, &event, 1, 0));
    TRY("epoll_pwait", epoll_pwait(epfd, p, 1, 0, NULL));
    TRY("epoll_pwait mask", epoll_pwait(epfd, &event, 1, 0, p));
    TRY("epoll_pwait2", epoll_pwait2(epfd, p, 1, &none, NULL));
    TRY("epoll_pwait2 time", epoll_pwait2(epfd, &event, 1, p, NULL));
#ifdef SYS_poll
#ifdef SYS__newselect
#undef SYS_select
#define SYS_select SYS__newselect
#endif
    TRY("syscall select", syscall(SYS_select, (long)count, p, 0L, 0L, &zero));
    TRY("syscall poll", syscall(SYS_poll, p, 1L, 0L));
    TRY("syscall epoll_wait", syscall(SYS_epoll_wait, epfd, p, 1L, 0L));
#endif
    TRY("syscall ppoll", syscall(SYS_ppoll, p, 1L, &none, 0L, 8L));
    TRY("syscall ppoll time", syscall(SYS_ppoll, &one, 1L, p, 0L, 8L));
    TRY("syscall pselect6", syscall(SYS_pselect6, count, p, 0L, 0L, &none, 0L));
    TRY("syscall pselect6 time", syscall(SYS_pselect6, count, only(fd), 0L, 0L, p, 0L));
    TRY("syscall pselect6 mask", syscall(SYS_pselect6, count, only(fd), 0L, 0L, &none, p));
    TRY("syscall epoll_pwait", syscall(SYS_epoll_pwait, epfd, p, 1L, 0L, 0L, 8L));
    TRY("syscall epoll_pwait2 time", syscall(SYS_epoll_pwait2, epfd, &event, 1L, p, 0L, 8L));
    TRY("syscall epoll_ctl", syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_MOD, fd, p));
}

static void options(int fd, void *p, int fresh)
{
    int value;
    socklen_t length = sizeof value, negative = (socklen_t)-1;
    struct sockaddr peer;
    TRY("connect", connect(fresh, p, sizeof to));
    TRY("connect again", connect(fd, p, sizeof to));
    TRY("connect long", connect(fresh, (struct sockaddr *)&to, 4096));
    TRY("connect negative", connect(fresh, (struct sockaddr *)&to, negative));
    TRY("connect short", connect(fresh, (struct sockaddr *)&to, 1));
    TRY("__connect", __connect(fresh, p, sizeof to));
    TRY("syscall connect", syscall(SYS_connect, fresh, p, sizeof to));
    TRY("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, p, &length));
    TRY("getsockopt length", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, p));
    TRY("getsockopt negative", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &negative));
    TRY("getsockopt time", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, p, &length));
    TRY("getsockopt user timeout", getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, p, &length));
    TRY("setsockopt time", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, p, sizeof(struct timeval)));
    TRY("setsockopt mark", setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, p, sizeof(int)));
    TRY("setsockopt short", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, p, 1));
    TRY("getpeername", getpeername(fd, p, &length));
    TRY("getpeername length", getpeername(fd, &peer, p));
    TRY("syscall getsockopt", syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, p, &length));
    TRY("syscall setsockopt", syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, p, sizeof(struct timeval)));
    TRY("ioctl", ioctl(fd, FIONBIO, p));
    TRY("ioctl bytes", ioctl(fd, FIONREAD, p));
    TRY("syscall ioctl", syscall(SYS_ioctl, fd, FIONBIO, p));
    TRY("fcntl", fcntl(fd, F_GETLK, p));
    TRY("fcntl64", fcntl64(fd, F_GETLK, p));
    TRY("__fcntl", __fcntl(fd, F_GETLK, p));
    TRY("fcntl dup", fcntl(fd, F_DUPFD, -1));
    TRY("fcntl unknown", fcntl(fd, 4711, p));
}

static void descriptors(int fd)
{
    TRY("close", close(-1));
    TRY("__close", __close(1 << 24));
    TRY("syscall close", syscall(SYS_close, -1L));
    TRY("close_range", close_range(9, 8, 0));
    TRY("close_range flags", close_range(3, ~0u, 1 << 30));
    TRY("shutdown", shutdown(fd, 77));
    TRY("dup", dup(-1));
    TRY("dup2 to", dup2(fd, -1));
    TRY("dup2 far", dup2(fd, 1 << 24));
    TRY("dup2 from", dup2(-1, fd));
    TRY("__dup2", __dup2(-1, fd));
    TRY("dup2 same", dup2(fd, fd));
    TRY("dup3 same", dup3(fd, fd, 0));
    TRY("dup3 flags", dup3(fd, 50, 1));
    TRY("dup3 from", dup3(-1, fd, O_CLOEXEC));
    TRY("syscall dup3", syscall(SYS_dup3, fd, fd, 0L));
}

/* libc reads some of these itself, and dies of it: that, too, stays as it is. */
static void programs(void *p)
{
    char *argv[] = {"true", NULL}, *many = p;
    char *const *list = p;
    pid_t pid;
    struct addrinfo *found;
    struct hostent entry, *host;
    char room[512];
    int error, file = open("/bin/true", O_RDONLY | O_CLOEXEC);
    TRY("execve", execve(p, argv, environ));
    TRY("execve argv", execve("/bin/true", list, environ));
    TRY("execve envp", execve("/bin/true", argv, list));
    TRY("execv", execv(p, argv));
    TRY("execvp", execvp(p, argv));
    TRY("execvp argv", execvp("true", list));
    TRY("execvpe", execvpe("true", argv, list));
    TRY("execl", execl(p, "true", NULL));
    TRY("execl argument", execl("/bin/true", "true", many, NULL));
    TRY("execlp", execlp(p, "true", NULL));
    TRY("execle", execle("/bin/true", "true", NULL, list));
    TRY("fexecve", fexecve(file, list, environ));
    TRY("execveat", execveat(AT_FDCWD, p, argv, environ, 0));
    TRY("syscall execve", syscall(SYS_execve, p, argv, environ));
    TRY("posix_spawn", posix_spawn(&pid, "/bin/true", NULL, NULL, argv, list));
    TRY("posix_spawnp", posix_spawnp(&pid, p, NULL, NULL, argv, environ));
    TRY("system", system(p) ? 1 : 0);
    TRY("popen", popen("true", p) != NULL);
    TRY("freopen", freopen("/dev/null", p, stdin) != NULL);
    TRY("freopen64", freopen64("/dev/null", p, stdin) != NULL);
    TRY("getaddrinfo", getaddrinfo(p, "80", NULL, &found));
    TRY("getaddrinfo hints", getaddrinfo("127.0.0.1", "80", p, &found));
    TRY("gethostbyname", gethostbyname(p) != NULL);
    TRY("gethostbyname2", gethostbyname2(p, AF_INET) != NULL);
    TRY("gethostbyname_r", gethostbyname_r(p, &entry, room, sizeof room, &host, &error));
    TRY("gethostbyname2_r", gethostbyname2_r(p, AF_INET, &entry, room, sizeof room, &host, &error));
    TRY("getnameinfo", getnameinfo(p, sizeof(struct sockaddr_in), room, sizeof room, NULL, 0, NI_NUMERICHOST));
}

static void all(int fd, void *p, int fresh)
{
    number = 0;
    name = NULL;
    receives(fd, p);
    if (!name)
        sends(fd, p, fresh);
    if (!name)
        waits(fd, p);
    if (!name)
        options(fd, p, fresh);
    if (!name)
        descriptors(fd);
    if (!name)
        programs(p);
}

static int connection(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || send(fd, "four", 4, 0) != 4 ||
        poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000) != 1)
        exit(3);
    return fd;
}

/* What is left to read, and what a further exchange brings. */
static void finish(int fd)
{
    char bytes[4096];
    fcntl(fd, F_SETFL, 0);
    shutdown(fd, SHUT_WR);
    ssize_t got, total = 0;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        total += got;
    printf(", then %zd bytes, %s", total, got < 0 ? strerror(errno) : "the end");
}

static void child(const char *variant, void *p, int bad_fd)
{
    int fd = connection();
    int fresh = bad_fd ? bad_fd : socket(AF_INET, SOCK_STREAM, 0);
    FILE *out = stdout;
    alarm(10);
    all(bad_fd ? bad_fd : fd, p, fresh);
    if (!name)
        _exit(9); /* no case has that number */
    fprintf(out, "%s, %s: %d %s", name, variant, outcome, outcome < 0 ? strerror(seen_errno) : "");
    finish(fd);
    putc('\n', out);
    fflush(out);
    _exit(0);
}

int main(int argc, char **argv)
{
    long page = sysconf(_SC_PAGESIZE);
    char *room = mmap(NULL, 3 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(room + page, (size_t)page, PROT_NONE);
    mprotect(room + 2 * page, (size_t)page, PROT_READ);
    const struct {
        const char *name;
        void *p;
        int fd;
    } variants[] = {{"unmapped", (void *)16, 0},      {"no access", room + page, 0}, {"over the edge", room + page - 3, 0},
                    {"read only", room + 2 * page, 0}, {"NULL", NULL, 0},            {"no descriptor", room, -1},
                    {"far descriptor", room, 1 << 24}};
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0"))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        int status = 0;
        for (wanted = 0; status != 9 << 8; wanted++) {
            fflush(stdout);
            pid_t pid = fork();
            if (pid == 0)
                child(variants[i].name, variants[i].p, variants[i].fd);
            waitpid(pid, &status, 0);
            if (status != 0 && status != 9 << 8)
                printf("number %d, %s: status %x\n", wanted, variants[i].name, status);
        }
    }
    return 0;
}
