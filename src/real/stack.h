/* SPDX-License-Identifier: MIT
 * A stack of our own for what needs more of it than a thread may have: 16 KiB are legal (PTHREAD_STACK_MIN), and a
 * signal handler may have 8. Any thread; signal handlers; no allocation but the mapping. */
#ifndef RESIL_REAL_STACK_H
#define RESIL_REAL_STACK_H

/* stack_run(call, argument): call(argument) on a stack that is mapped for the time of the call; on the caller's own
 * where none can be had. Signals wait meanwhile: a handler would find itself on a stack that nobody knows, and a
 * garbage collector that looks there for the end of the thread's own would look at all that lies between. Nothing in
 * the call may be a cancellation point. */
void stack_run(void (*call)(void *argument), void *argument);

#endif
