/* SPDX-License-Identifier: MIT
 * Another stack. The old stack pointer is kept in the frame register, which every callee preserves, so that debuggers
 * find their way back. */
#include "real/stack.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "real/raw.h"

enum { STACK_BYTES = 256 * 1024 };

extern void stack_switch(void (*call)(void *argument), void *argument, void *top);

#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden stack_switch\n"
        ".globl stack_switch\n"
        ".type stack_switch, @function\n"
        "stack_switch:\n"
        "    .cfi_startproc\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        "    .cfi_def_cfa_register %rbp\n"
        "    mov %rdx, %rsp\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    call *%rax\n"
        "    mov %rbp, %rsp\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa %rsp, 8\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size stack_switch, .-stack_switch\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".hidden stack_switch\n"
        ".globl stack_switch\n"
        ".type stack_switch, %function\n"
        "stack_switch:\n"
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    stp x29, x30, [sp, #-16]!\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset x29, -16\n"
        "    .cfi_offset x30, -8\n"
        "    mov x29, sp\n"
        "    .cfi_def_cfa_register x29\n"
        "    mov x9, x0\n"
        "    mov x0, x1\n"
        "    mov sp, x2\n"
        "    blr x9\n"
        "    mov sp, x29\n"
        "    ldp x29, x30, [sp], #16\n"
        "    .cfi_def_cfa sp, 0\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size stack_switch, .-stack_switch\n");
#elif defined(__i386__)
__asm__(".text\n"
        ".hidden stack_switch\n"
        ".globl stack_switch\n"
        ".type stack_switch, @function\n"
        "stack_switch:\n"
        "    .cfi_startproc\n"
        "    push %ebp\n"
        "    .cfi_def_cfa_offset 8\n"
        "    .cfi_offset %ebp, -8\n"
        "    mov %esp, %ebp\n"
        "    .cfi_def_cfa_register %ebp\n"
        "    mov 16(%ebp), %esp\n"
        "    sub $12, %esp\n" /* aligned at the call */
        "    push 12(%ebp)\n"
        "    call *8(%ebp)\n"
        "    mov %ebp, %esp\n"
        "    pop %ebp\n"
        "    .cfi_def_cfa %esp, 4\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size stack_switch, .-stack_switch\n");
#else
#error "libresil: unknown architecture"
#endif

static void set_blocked(const uint64_t *set, uint64_t *before)
{
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)set, (long)before, sizeof *set, 0, 0);
}

void stack_run(void (*call)(void *argument), void *argument)
{
    const uint64_t all = UINT64_MAX;
    uint64_t before;
    char *memory =
        raw_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!memory) {
        call(argument);
        return;
    }
    set_blocked(&all, &before);
    stack_switch(call, argument, memory + STACK_BYTES);
    set_blocked(&before, NULL);
    raw_munmap(memory, STACK_BYTES);
}
