/* SPDX-License-Identifier: MIT
 * The early form of syscall(), as libc has it: no frame, so that a clone that gives its child another stack returns
 * there as it would from libc's. Only the errno of a failure is C. */
#include <errno.h>

#include "real/early.h"

extern long early_syscall_failed(unsigned long result) __attribute__((visibility("hidden"), used));

long early_syscall_failed(unsigned long result)
{
    errno = -(int)result;
    return -1;
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl early_syscall\n"
        ".hidden early_syscall\n"
        ".type early_syscall, @function\n"
        "early_syscall:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    mov %r9, %r8\n"
        "    mov 8(%rsp), %r9\n"
        "    syscall\n"
        "    cmp $-4095, %rax\n"
        "    jae 1f\n"
        "    ret\n"
        "1:  mov %rax, %rdi\n"
        "    jmp early_syscall_failed\n"
        "    .cfi_endproc\n"
        ".size early_syscall, .-early_syscall\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl early_syscall\n"
        ".hidden early_syscall\n"
        ".type early_syscall, %function\n"
        "early_syscall:\n"
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    mov x8, x0\n"
        "    mov x0, x1\n"
        "    mov x1, x2\n"
        "    mov x2, x3\n"
        "    mov x3, x4\n"
        "    mov x4, x5\n"
        "    mov x5, x6\n"
        "    svc 0\n"
        "    cmn x0, #4095\n"
        "    b.cs 1f\n"
        "    ret\n"
        "1:  b early_syscall_failed\n"
        "    .cfi_endproc\n"
        ".size early_syscall, .-early_syscall\n");
#elif defined(__i386__)
__asm__(".text\n"
        ".globl early_syscall\n"
        ".hidden early_syscall\n"
        ".type early_syscall, @function\n"
        "early_syscall:\n"
        "    push %ebp\n"
        "    push %edi\n"
        "    push %esi\n"
        "    push %ebx\n"
        "    mov 20(%esp), %eax\n"
        "    mov 24(%esp), %ebx\n"
        "    mov 28(%esp), %ecx\n"
        "    mov 32(%esp), %edx\n"
        "    mov 36(%esp), %esi\n"
        "    mov 40(%esp), %edi\n"
        "    mov 44(%esp), %ebp\n"
        "    int $0x80\n"
        "    pop %ebx\n"
        "    pop %esi\n"
        "    pop %edi\n"
        "    pop %ebp\n"
        "    cmp $-4095, %eax\n"
        "    jae 1f\n"
        "    ret\n"
        "1:  push %eax\n"
        "    call early_syscall_failed\n"
        "    add $4, %esp\n"
        "    ret\n"
        ".size early_syscall, .-early_syscall\n");
#else
#error "libresil: unknown architecture"
#endif
