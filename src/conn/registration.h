/* SPDX-License-Identifier: MIT
 * Epoll registrations that are older than the record: a program may put its socket into a set before it connects.
 *
 * The epoll_ctl hook notes only which set a descriptor that is not tracked was put into last; closing it leaves the
 * note behind. What the set really holds is asked of the kernel (/proc/self/fdinfo) when it matters, that is before the
 * first parking. Any thread; signal safe; raw system calls; allocates nothing. */
#ifndef RESIL_CONN_REGISTRATION_H
#define RESIL_CONN_REGISTRATION_H

#include <stdint.h>
#include <sys/epoll.h>

enum registration { REGISTRATION_NONE, REGISTRATION_FOUND, REGISTRATION_UNKNOWN };

/* registration_note(epfd, fd): the untracked fd was added to, or changed in, that set. */
void registration_note(int epfd, int fd);

/* registration_set(fd): that set, -1 = none was noted. */
int registration_set(int fd);

/* registration_find(fd, epfd, event): fd's registration, from before its record. UNKNOWN: there may be one, but it
 * cannot be read, or there are several. A file of one line for each descriptor of the set is read: never on a hot path.
 */
enum registration registration_find(int fd, int *epfd, struct epoll_event *event);

#endif
