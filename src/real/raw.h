/* SPDX-License-Identifier: MIT
 * System calls without libc: before the library is initialised, and for our own needs afterwards, so
 * that neither our own hooks nor another preload see them, and no cancellation point is added.
 *
 * Any thread; signal safe; usable before init. Returns what the kernel returns: -errno on failure;
 * errno itself is never touched.
 */
#ifndef RESIL_REAL_RAW_H
#define RESIL_REAL_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

long raw_syscall(long number, long a, long b, long c, long d, long e, long f);

/* Calls that differ between the architectures, under one name. */
int raw_open(const char *path, int flags, int mode);
int raw_close(int fd);
ssize_t raw_read(int fd, void *buf, size_t bytes);
ssize_t raw_write(int fd, const void *buf, size_t bytes);
/* RLIMIT_FSIZE, UINT64_MAX = none: who writes beyond it is killed (SIGXFSZ). raw_append(): a write at the end of a
 * file, -EFBIG instead of that. */
uint64_t raw_file_limit(void);
ssize_t raw_append(int fd, const void *buf, size_t bytes);
void *raw_mmap(void *addr, size_t bytes, int prot, int flags, int fd, int64_t offset); /* NULL on failure */
int raw_munmap(void *addr, size_t bytes);
int raw_getpid(void);
int raw_gettid(void);
bool raw_thread_lives(int pid, int tid); /* by signal 0; true when it cannot be told */
int raw_getsockopt(int fd, int level, int name, void *value, unsigned *length);
int raw_setsockopt(int fd, int level, int name, const void *value, unsigned length);
int raw_shutdown(int fd, int how);
int raw_connect(int fd, const void *addr, unsigned length);
int raw_fcntl(int fd, int command, long argument);
ssize_t raw_readlink(const char *path, char *out, size_t size);

/* The parts of struct stat that we use, the same on every architecture. */
struct raw_stat {
    uint64_t dev, ino, size, mtime_ns;
    uint32_t mode, uid, gid, links;
};
int raw_fstat(int fd, struct raw_stat *out);
int raw_stat(const char *path, struct raw_stat *out); /* follows symlinks */

/* raw_read_file(path, out, size): reads at most size - 1 bytes and ends them with NUL; bytes read or -errno. */
ssize_t raw_read_file(const char *path, char *out, size_t size);

#endif
