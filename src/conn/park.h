/* SPDX-License-Identifier: MIT
 * Parking: a descriptor whose readiness is withheld for a while, without sleeping and without spinning.
 *
 * poll and select leave a parked descriptor out of the kernel's copy. From an epoll set it is taken out
 * and put back with what the epoll_ctl hook recorded; epoll_ctl on a parked descriptor is recorded only. A
 * descriptor in two sets, or registered with EPOLLONESHOT or EPOLLEXCLUSIVE, is not parked. Any thread;
 * signal safe; raw system calls. */
#ifndef RESIL_CONN_PARK_H
#define RESIL_CONN_PARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct conn;

/* park_epoll_is_plain(events): whether a registration of this kind can be taken back and restored. */
bool park_epoll_is_plain(uint32_t events);

/* park_begin(conn, fd, until_ns): false when it cannot be parked: for a call of the application, whose thread may not
 * be the one that sleeps on the set, and then nobody would look at the time. park_extend(): the same on behalf of a
 * wait. */
bool park_begin(struct conn *conn, int fd, uint64_t until_ns);
bool park_extend(struct conn *conn, int fd, uint64_t until_ns);
/* park_is_possible(conn, fd): whether park_begin() would. */
bool park_is_possible(struct conn *conn, int fd);
bool park_is_due(const struct conn *conn, uint64_t now_ns);
/* park_prolong(conn, until_ns): a parked descriptor stays so for longer. */
void park_prolong(struct conn *conn, uint64_t until_ns);
void park_end(struct conn *conn);
/* park_give_up(conn): nobody can keep it back any longer: its call has failed, and it shows. park_drop(conn): it is
 * closed, or its parent's: what becomes of the set is not ours. */
void park_give_up(struct conn *conn);
void park_drop(struct conn *conn);
/* park_is_registered(conn, epfd, data): whether its one registration is in that set, with that data. */
bool park_is_registered(const struct conn *conn, int epfd, uint64_t data);
/* park_look_back(conn, fd, epfd): a member of that set has failed: whether it is this one, registered before its record
 * began (conn/registration.h). */
void park_look_back(struct conn *conn, int fd, int epfd);
/* Threads that wait for one epoll set: park_is_shared(conn) when there are several for that of this connection, so that
 * what one of them takes back another may have seen. Sets whose numbers are equal modulo 256 count as one.
 * park_wait_enter(epfd): before any wait, also of a process without records: this thread waits for the set. */
void park_wait_enter(int epfd);
void park_wait_begin(int epfd);
void park_wait_end(void);
bool park_is_shared(const struct conn *conn);
bool park_holds(const struct conn *conn);

/* park_epoll_ctl(conn, ...): before the real call. True when the call is done (recorded): *result is its return value.
 */
bool park_epoll_ctl(struct conn *conn, int epfd, int operation, int fd, const struct epoll_event *event, int *result);
/* park_registered(conn, ...): after a real call that succeeded. */
void park_registered(struct conn *conn, int epfd, int operation, int fd, const struct epoll_event *event);

#endif
