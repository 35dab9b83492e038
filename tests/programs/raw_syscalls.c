/* SPDX-License-Identifier: MIT
 * syscall() as libc has it: errno, six arguments, children on another stack. Prints what it saw. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int seen;

static void show(const char *what, long result)
{
    printf("%s %s %d\n", what, result < 0 ? "fails" : "works", errno);
    errno = 77;
}

#ifdef __x86_64__
/* Where the child's syscall() returns: it has this stack and nothing else. */
__attribute__((noreturn)) static void child(void)
{
    seen = 1;
    for (;;)
        syscall(SYS_exit, 5);
}

static void clone_with_a_stack(void)
{
    size_t bytes = 65536;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t *top = (uintptr_t *)(void *)(stack + bytes) - 2;
    *top = (uintptr_t)child;
    long pid = syscall(SYS_clone, (long)(CLONE_VM | SIGCHLD), top, NULL, NULL, 0L);
    int status = 0;
    waitpid((pid_t)pid, &status, 0);
    printf("clone: seen %d status %d\n", seen, status);
}
#endif

int main(void)
{
    errno = 77;
    show("an unknown number", syscall(9999));
    show("a negative number", syscall(-1));
    show("getpid", syscall(SYS_getpid) == getpid() ? 0 : -1);
    show("close of nothing", syscall(SYS_close, -1));
    show("read of nothing", syscall(SYS_read, -1, NULL, 0L));
    show("dup3 of itself", syscall(SYS_dup3, 1L, 1L, 0L));
    show("connect of nothing", syscall(SYS_connect, -1, NULL, 0L));
    show("close_range backwards", syscall(SYS_close_range, 9L, 5L, 0L));
    show("fcntl", syscall(SYS_fcntl, 1L, 9999L, 0L));
    FILE *file = tmpfile();
    fwrite("0123456789", 1, 10, file);
    fflush(file);
#ifdef SYS_mmap2
    const char *text = (const char *)syscall(SYS_mmap2, NULL, 4096L, (long)PROT_READ, (long)MAP_PRIVATE, (long)fileno(file), 0L);
#else
    const char *text = (const char *)syscall(SYS_mmap, NULL, 4096L, (long)PROT_READ, (long)MAP_PRIVATE, (long)fileno(file), 0L);
#endif
    printf("six arguments: %.10s\n", text);
    pid_t pid = (pid_t)syscall(
#ifdef SYS_fork
        SYS_fork
#else
        SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, 0L
#endif
    );
    if (pid == 0)
        _exit(3);
    int status = 0;
    waitpid(pid, &status, 0);
    printf("fork: %d\n", WEXITSTATUS(status));
#ifdef __x86_64__
    clone_with_a_stack();
#endif
    return 0;
}
