/* SPDX-License-Identifier: MIT
 * syscall(): libuv closes its sockets this way, and others connect. Never an allow-list: a number that is not in
 * watched[] goes to the real function by a jump, without a frame of ours. A clone that gives its child another stack
 * returns there, and a vfork child returns through nothing that it could overwrite, as natively.
 *
 * syscall() is no cancellation point: what is watched is made by the real syscall(), not by its libc namesake (a
 * connect excepted). */
#include <errno.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "conn/kernel.h"
#include "conn/shape.h"
#include "conn/transfer.h"
#include "conn/uring.h"
#include "hooks/fastopen.h"
#include "hooks/fd.h"
#include "hooks/hook.h"
#include "hooks/input.h"
#include "hooks/syscall.h"

#define ASM_VISIBLE __attribute__((visibility("hidden"), used))

/* For the assembler below. */
extern const unsigned char syscall_watched[];
extern __typeof__(syscall) **const syscall_next;
extern __typeof__(syscall) syscall_tracked;

enum { WATCHED = 512 }; /* known to the assembler */
ASM_VISIBLE const unsigned char syscall_watched[WATCHED] = {
    [SYS_close] = 1,          [SYS_dup] = 1,        [SYS_dup3] = 1,       [SYS_ioctl] = 1,      [SYS_read] = 1,
    [SYS_readv] = 1,          [SYS_write] = 1,      [SYS_writev] = 1,     [SYS_preadv2] = 1,    [SYS_pwritev2] = 1,
    [SYS_recvmsg] = 1,        [SYS_recvfrom] = 1,   [SYS_sendmsg] = 1,    [SYS_sendto] = 1,     [SYS_recvmmsg] = 1,
    [SYS_execve] = 1,         [SYS_execveat] = 1,   [SYS_sendmmsg] = 1,   [SYS_splice] = 1,     [SYS_sendfile] = 1,
    [SYS_connect] = 1,        [SYS_shutdown] = 1,   [SYS_fcntl] = 1,      [SYS_getsockopt] = 1, [SYS_epoll_ctl] = 1,
    [SYS_epoll_pwait] = 1,    [SYS_setsockopt] = 1, [SYS_ppoll] = 1,      [SYS_pselect6] = 1,
#ifdef SYS_dup2
    [SYS_dup2] = 1,           [SYS_poll] = 1,       [SYS_epoll_wait] = 1,
#endif
#ifdef SYS_fcntl64
    [SYS_fcntl64] = 1,        [SYS_sendfile64] = 1, [SYS_socketcall] = 1,
#endif
#ifdef SYS__newselect
    [SYS__newselect] = 1,
#elif defined(SYS_select)
    [SYS_select] = 1,
#endif
#if defined(SYS_epoll_pwait2) && !defined(__i386__) /* there its time has 64 bits */
    [SYS_epoll_pwait2] = 1,
#endif
#ifdef SYS_close_range
    [SYS_close_range] = 1,
#endif
#ifdef SYS_io_uring_setup
    [SYS_io_uring_setup] = 1,
#endif
};
ASM_VISIBLE __typeof__(syscall) **const syscall_next = &real.syscall;

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    cmp $511, %rdi\n"
        "    ja 1f\n"
        "    lea syscall_watched(%rip), %r11\n"
        "    cmpb $0, (%r11, %rdi)\n"
        "    jne syscall_tracked\n"
        "1:  mov syscall_next(%rip), %r11\n"
        "    jmp *(%r11)\n"
        "    .cfi_endproc\n"
        ".size syscall, .-syscall\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, %function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    cmp x0, #511\n"
        "    b.hi 1f\n"
        "    adrp x16, syscall_watched\n"
        "    add x16, x16, :lo12:syscall_watched\n"
        "    ldrb w16, [x16, x0]\n"
        "    cbz w16, 1f\n"
        "    b syscall_tracked\n"
        "1:  adrp x16, syscall_next\n"
        "    ldr x16, [x16, :lo12:syscall_next]\n"
        "    ldr x16, [x16]\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size syscall, .-syscall\n");
#elif defined(__i386__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    call 2f\n"
        "2:  pop %edx\n"
        "    mov 4(%esp), %eax\n"
        "    cmp $511, %eax\n"
        "    ja 1f\n"
        "    cmpb $0, syscall_watched-2b(%edx, %eax)\n"
        "    jne syscall_tracked\n"
        "1:  mov syscall_next-2b(%edx), %ecx\n"
        "    jmp *(%ecx)\n"
        ".size syscall, .-syscall\n");
#else
#error "libresil: unknown architecture"
#endif

long syscall_make(const struct call *call)
{
    const long *a = call->a;
    return real.syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Bytes that a receive or send with this result carried. */
static ssize_t carried(const struct call *call, long result)
{
    if (result <= 0 || (call->number != SYS_recvmmsg && call->number != SYS_sendmmsg))
        return result;
    const struct mmsghdr *messages = (const struct mmsghdr *)call->a[1];
    ssize_t bytes = 0;
    for (long i = 0; i < result; i++)
        bytes += (ssize_t)messages[i].msg_len;
    return bytes;
}

static bool wants_bytes(const struct call *call)
{
    if (call->number == SYS_readv || call->number == SYS_preadv2)
        return input_wants_bytes((const struct iovec *)call->a[1], (size_t)call->a[2]);
    if (call->number == SYS_recvmsg) {
        const struct msghdr *message = (const struct msghdr *)call->a[1];
        return input_wants_bytes(message->msg_iov, message->msg_iovlen);
    }
    return call->number == SYS_recvmmsg || call->a[2] != 0;
}

static int message_flags(const struct call *call)
{
    switch (call->number) {
    case SYS_recvmsg:
    case SYS_sendmsg:
        return (int)call->a[2];
    case SYS_recvfrom:
    case SYS_sendto:
    case SYS_recvmmsg:
    case SYS_sendmmsg:
        return (int)call->a[3];
    default:
        return 0;
    }
}

static long receive(const struct call *call, int fd)
{
    struct conn *conn = conn_of(fd);
    struct transfer transfer;
    int flags = message_flags(call);
    long result;
    ssize_t bytes;
    if (!conn || (flags & (MSG_ERRQUEUE | MSG_OOB)))
        return syscall_make(call);
    if (!transfer_read_begin(&transfer, conn, fd, (flags & MSG_DONTWAIT) != 0))
        return -1;
    if (conn_is_struck(conn) && !shape_enter(conn, fd, FLOW_IN, (flags & MSG_DONTWAIT) != 0, NULL, &bytes))
        return bytes;
    transfer.peek = (flags & MSG_PEEK) != 0;
    if (flags & MSG_WAITALL)
        block_read_unbounded(conn, fd, &transfer.block);
    do {
        result = syscall_make(call);
        bytes = carried(call, result);
    } while (transfer_read_again(&transfer, &bytes, bytes == 0 && wants_bytes(call)));
    transfer_show_buffer(&transfer, NULL, bytes);
    if (conn_is_struck(conn) && !transfer.peek)
        shape_leave(conn, fd, FLOW_IN, (flags & MSG_DONTWAIT) != 0, bytes);
    return bytes < 0 ? -1 : result;
}

static long transmit(const struct call *call, int fd)
{
    struct conn *conn = conn_of(fd);
    struct transfer transfer;
    if (!conn)
        return syscall_make(call);
    bool dontwait = (message_flags(call) & MSG_DONTWAIT) != 0;
    ssize_t bytes;
    if (!transfer_write_enter(&transfer, conn, fd, dontwait))
        return -1;
    if (conn_is_struck(conn) && !shape_enter(conn, fd, FLOW_OUT, dontwait, NULL, &bytes))
        return -1;
    long result = syscall_make(call);
    bytes = carried(call, result);
    transfer_show_request(&transfer, NULL, bytes);
    transfer_write_end(&transfer, result, bytes > 0 ? (size_t)bytes : 0);
    if (conn_is_struck(conn))
        shape_leave(conn, fd, FLOW_OUT, dontwait, bytes);
    return result;
}

static long send_out(const struct call *call)
{
    const long *a = call->a;
    if (__builtin_expect((message_flags(call) & MSG_FASTOPEN) == 0, 1))
        return transmit(call, (int)a[0]);
    if (call->number == SYS_sendto)
        return fastopen_sendto((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3], (const struct sockaddr *)a[4],
                               (socklen_t)a[5]);
    return fastopen_sendmsg((int)a[0], (const struct msghdr *)a[1], (int)a[2]);
}

static long duplicate(const struct call *call)
{
    struct closing closing = {NULL, 0};
    if (call->number != SYS_dup)
        closing = fd_replace((int)call->a[0], (int)call->a[1]);
    long result = syscall_make(call);
    track_closed(closing);
    return fd_alias((int)call->a[0], (int)result);
}

static long end(const struct call *call)
{
    struct closing closing = fd_forget((int)call->a[0]);
    long result = syscall_make(call);
    track_closed(closing);
    return result;
}

#ifdef SYS_close_range
static long end_range(const struct call *call)
{
    const long *a = call->a;
    if (((unsigned)a[2] & ~CLOSE_RANGE_UNSHARE) == 0 && (unsigned)a[0] <= (unsigned)a[1])
        fd_forget_range((unsigned)a[0], (unsigned)a[1]);
    long result = syscall_make(call);
    track_sweep();
    return result;
}
#endif

static long control(const struct call *call)
{
    int fd = (int)call->a[0];
    long result = syscall_make(call);
    if (!conn_of(fd))
        return result;
    if (call->number != SYS_ioctl)
        return fd_after_fcntl(fd, (int)call->a[1], call->a[2], (int)result);
    if (result >= 0 && (unsigned long)call->a[1] == FIONBIO)
        fd_mode_changed(fd, *(const int *)call->a[2] != 0);
    return result;
}

static long dispatch(struct call *call);

#ifdef SYS_socketcall
/* One system call for all of them: (operation, vector of arguments). What it means is another number of the list. */
static long socketcall(const struct call *call)
{
    enum { CONNECT = 3, SEND = 9, RECV, SENDTO, RECVFROM, SHUTDOWN, SETSOCKOPT, GETSOCKOPT, SENDMSG, RECVMSG };
    static const struct {
        short number, arguments;
    } meaning[] = {
        [CONNECT] = {SYS_connect, 3},       [SEND] = {SYS_sendto, 4},           [RECV] = {SYS_recvfrom, 4},
        [SENDTO] = {SYS_sendto, 6},         [RECVFROM] = {SYS_recvfrom, 6},     [SHUTDOWN] = {SYS_shutdown, 2},
        [SETSOCKOPT] = {SYS_setsockopt, 5}, [GETSOCKOPT] = {SYS_getsockopt, 5}, [SENDMSG] = {SYS_sendmsg, 3},
        [RECVMSG] = {SYS_recvmsg, 3}};
    unsigned operation = (unsigned)call->a[0];
    bool watched = operation <= RECVMSG && meaning[operation].number;
    if (!watched || (operation != CONNECT && atomic_load(&conn_live) == 0))
        return syscall_make(call);
    struct call meant = {.number = meaning[operation].number};
    /* The kernel copies the vector first; a bad one is its to refuse. */
    if (!kernel_readable((const void *)call->a[1], (unsigned)(meaning[operation].arguments * (short)sizeof(long))))
        return syscall_make(call);
    for (int i = 0; i < meaning[operation].arguments; i++)
        meant.a[i] = ((const long *)call->a[1])[i];
    return dispatch(&meant);
}
#endif

static long dispatch(struct call *call)
{
    const long *a = call->a;
    switch (call->number) {
    case SYS_close: /* not close(): that is a cancellation point, which is why libuv avoids it */
        return end(call);
#ifdef SYS_close_range
    case SYS_close_range:
        return end_range(call);
#endif
    case SYS_execve:
        return execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
    case SYS_execveat:
        return execveat((int)a[0], (const char *)a[1], (char *const *)a[2], (char *const *)a[3], (int)a[4]);
    case SYS_dup:
    case SYS_dup3:
#ifdef SYS_dup2
    case SYS_dup2:
#endif
        return duplicate(call);
    case SYS_fcntl:
#ifdef SYS_fcntl64
    case SYS_fcntl64:
#endif
    case SYS_ioctl:
        return control(call);
    case SYS_connect:
        return connect((int)a[0], (const struct sockaddr *)a[1], (socklen_t)a[2]);
    case SYS_getsockopt:
        return getsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3], (socklen_t *)a[4]);
    case SYS_setsockopt:
        return setsockopt((int)a[0], (int)a[1], (int)a[2], (const void *)a[3], (socklen_t)a[4]);
    case SYS_shutdown:
        return shutdown((int)a[0], (int)a[1]);
    case SYS_epoll_ctl:
        return epoll_ctl((int)a[0], (int)a[1], (int)a[2], (struct epoll_event *)a[3]);
    case SYS_read:
    case SYS_readv:
    case SYS_preadv2:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
        return receive(call, (int)a[0]);
    case SYS_sendto:
    case SYS_sendmsg:
        return send_out(call);
    case SYS_write:
    case SYS_writev:
    case SYS_pwritev2:
    case SYS_sendmmsg:
    case SYS_sendfile:
#ifdef SYS_sendfile64
    case SYS_sendfile64:
#endif
        return transmit(call, (int)a[0]);
    case SYS_splice:
        return conn_of((int)a[2]) ? transmit(call, (int)a[2]) : receive(call, (int)a[0]);
#ifdef SYS_poll
    case SYS_poll:
    case SYS_epoll_wait:
#endif
#ifdef SYS_select /* on i386 the number of an older call, with its arguments in a block */
#ifndef SYS__newselect
    case SYS_select:
#else
    case SYS__newselect:
#endif
#endif
#if defined(SYS_epoll_pwait2) && !defined(__i386__) /* there its time has 64 bits */
    case SYS_epoll_pwait2:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
        return syscall_wait(call);
#ifdef SYS_socketcall
    case SYS_socketcall:
        return socketcall(call);
#endif
#ifdef SYS_io_uring_setup
    case SYS_io_uring_setup:
        if (!uring_allowed())
            return errno = ENOSYS, -1;
        return syscall_make(call);
#endif
    default:
        return syscall_make(call);
    }
}

ASM_VISIBLE long syscall_tracked(long number, ...)
{
    struct call call = {.number = number};
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        call.a[i] = va_arg(args, long);
    va_end(args);
    return dispatch(&call);
}
