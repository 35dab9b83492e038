/* SPDX-License-Identifier: MIT
 * The names that a 32-bit program with a time_t of 64 bits is linked against, once: WIDE(name, family). Rows of
 * symbols.tbl.h on i386 only; their family is the file src/hooks/time64.c.
 */
WIDE(__getsockopt64, time64)
WIDE(__setsockopt64, time64)
WIDE(__recvmsg64, time64)
WIDE(__recvmmsg64, time64)
WIDE(__sendmsg64, time64)
WIDE(__sendmmsg64, time64)
WIDE(__select64, time64)
WIDE(__pselect64, time64)
WIDE(__ppoll64, time64)
WIDE(__epoll_pwait2_time64, time64)
WIDE(__fcntl_time64, time64)
WIDE(__ioctl_time64, time64)
#undef WIDE
