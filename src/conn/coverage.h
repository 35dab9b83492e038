/* SPDX-License-Identifier: MIT
 * What share of a connection's bytes the hooks saw: the kernel's count against ours, when it is closed. */
#ifndef RESIL_CONN_COVERAGE_H
#define RESIL_CONN_COVERAGE_H

#include "conn/conn.h"
#include "conn/kernel.h"

/* coverage_closed(conn, fd): the last descriptor of a connection that was established goes. Adds to the sums of its
 * destination and of this process. One system call, a few when bytes went past the hooks. True when these are all there
 * were: *kernel tells of them. Any thread; signal safe. */
bool coverage_closed(const struct conn *conn, int fd, struct kernel_bytes *kernel);

#endif
