/* SPDX-License-Identifier: MIT
 * The system call instruction and the few calls built on it. The only room besides real.c that talks to
 * the kernel for the library itself. */
#include "real/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#if defined(__x86_64__)
long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#elif defined(__i386__)
/* Six arguments need every register, ebp included: they are loaded from a block by hand. */
long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    long block[7] = {number, a, b, c, d, e, f};
    long result;
    __asm__ volatile("push %%ebp\n\t"
                     "push %%ebx\n\t"
                     "mov 4(%%eax), %%ebx\n\t"
                     "mov 8(%%eax), %%ecx\n\t"
                     "mov 12(%%eax), %%edx\n\t"
                     "mov 16(%%eax), %%esi\n\t"
                     "mov 20(%%eax), %%edi\n\t"
                     "mov 24(%%eax), %%ebp\n\t"
                     "mov (%%eax), %%eax\n\t"
                     "int $0x80\n\t"
                     "pop %%ebx\n\t"
                     "pop %%ebp"
                     : "=a"(result)
                     : "a"(block)
                     : "ecx", "edx", "esi", "edi", "memory");
    return result;
}
#else
#error "libresil: unknown architecture"
#endif

static bool failed(long result)
{
    return (unsigned long)result >= (unsigned long)-4095L;
}

int raw_open(const char *path, int flags, int mode)
{
    return (int)raw_syscall(SYS_openat, AT_FDCWD, (long)path, flags, mode, 0, 0);
}

int raw_close(int fd)
{
    return (int)raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

ssize_t raw_read(int fd, void *buf, size_t bytes)
{
    return raw_syscall(SYS_read, fd, (long)buf, (long)bytes, 0, 0, 0);
}

ssize_t raw_write(int fd, const void *buf, size_t bytes)
{
    return raw_syscall(SYS_write, fd, (long)buf, (long)bytes, 0, 0, 0);
}

void *raw_mmap(void *addr, size_t bytes, int prot, int flags, int fd, int64_t offset)
{
#ifdef SYS_mmap2
    long result = raw_syscall(SYS_mmap2, (long)addr, (long)bytes, prot, flags, fd, (long)(offset / 4096));
#else
    long result = raw_syscall(SYS_mmap, (long)addr, (long)bytes, prot, flags, fd, (long)offset);
#endif
    return failed(result) ? NULL : (void *)result;
}

int raw_munmap(void *addr, size_t bytes)
{
    return (int)raw_syscall(SYS_munmap, (long)addr, (long)bytes, 0, 0, 0, 0);
}

int raw_getpid(void)
{
    return (int)raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

int raw_gettid(void)
{
    return (int)raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

bool raw_thread_lives(int pid, int tid)
{
    return raw_syscall(SYS_tgkill, pid, tid, 0, 0, 0, 0) != -ESRCH;
}

int raw_getsockopt(int fd, int level, int name, void *value, unsigned *length)
{
    return (int)raw_syscall(SYS_getsockopt, fd, level, name, (long)value, (long)length, 0);
}

int raw_setsockopt(int fd, int level, int name, const void *value, unsigned length)
{
    return (int)raw_syscall(SYS_setsockopt, fd, level, name, (long)value, (long)length, 0);
}

int raw_shutdown(int fd, int how)
{
    return (int)raw_syscall(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

int raw_connect(int fd, const void *addr, unsigned length)
{
    return (int)raw_syscall(SYS_connect, fd, (long)addr, (long)length, 0, 0, 0);
}

int raw_fcntl(int fd, int command, long argument)
{
#ifdef SYS_fcntl64
    return (int)raw_syscall(SYS_fcntl64, fd, command, argument, 0, 0, 0);
#else
    return (int)raw_syscall(SYS_fcntl, fd, command, argument, 0, 0, 0);
#endif
}

ssize_t raw_readlink(const char *path, char *out, size_t size)
{
    return raw_syscall(SYS_readlinkat, AT_FDCWD, (long)path, (long)out, (long)size, 0, 0);
}

/* struct stat differs between the architectures and libc versions; statx does not. */
static int statx_into(int dir, const char *path, int flags, struct raw_stat *out)
{
    struct statx buf;
    memset(&buf, 0, sizeof buf);
    long result = raw_syscall(SYS_statx, dir, (long)path, flags, STATX_BASIC_STATS, (long)&buf, 0);
    if (result < 0)
        return (int)result;
    out->dev = ((uint64_t)buf.stx_dev_major << 32) | buf.stx_dev_minor;
    out->ino = buf.stx_ino;
    out->size = buf.stx_size;
    out->mtime_ns = (uint64_t)buf.stx_mtime.tv_sec * 1000000000ull + buf.stx_mtime.tv_nsec;
    out->mode = buf.stx_mode;
    out->uid = buf.stx_uid;
    out->gid = buf.stx_gid;
    out->links = buf.stx_nlink;
    return 0;
}

int raw_fstat(int fd, struct raw_stat *out)
{
    return statx_into(fd, "", AT_EMPTY_PATH, out);
}

int raw_stat(const char *path, struct raw_stat *out)
{
    return statx_into(AT_FDCWD, path, 0, out);
}

ssize_t raw_read_file(const char *path, char *out, size_t size)
{
    int fd = raw_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    size_t used = 0;
    while (used + 1 < size) {
        ssize_t got = raw_read(fd, out + used, size - 1 - used);
        if (got < 0) {
            raw_close(fd);
            return got;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    out[used] = '\0';
    raw_close(fd);
    return (ssize_t)used;
}

uint64_t raw_file_limit(void)
{
    struct {
        uint64_t now, most;
    } limit = {UINT64_MAX, UINT64_MAX};
    raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0);
    return limit.now;
}

ssize_t raw_append(int fd, const void *buf, size_t bytes)
{
    struct raw_stat st = {0};
    uint64_t limit = raw_file_limit();
    bool bounded = limit != UINT64_MAX && raw_fstat(fd, &st) == 0 && (st.mode & S_IFMT) == S_IFREG;
    return bounded && st.size + bytes > limit ? -EFBIG : raw_write(fd, buf, bytes);
}
