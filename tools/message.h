/* SPDX-License-Identifier: MIT
 * HTTP/1 messages as far as the stub and the replay need them: where a message ends, and single headers of it. Every
 * byte comes from a stranger. Bounded: the head by MESSAGE_HEAD, the whole by what the caller allows. One thread. */
#ifndef RESCTL_MESSAGE_H
#define RESCTL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_HEAD = 65536, MESSAGE_METHOD = 32, MESSAGE_TARGET = 8192 };

struct message {
    char *bytes; /* of malloc(); message_free() */
    size_t used, room;
    size_t head;                 /* bytes of the head with its empty line; 0: not whole */
    char method[MESSAGE_METHOD]; /* of a request */
    char target[MESSAGE_TARGET];
    unsigned status; /* of an answer */
};

/*   OK           it is whole
 *   NONE         the peer closed without a byte
 *   CUT          it ended early
 *   SLOW         it was not whole in time
 *   BAD          no HTTP/1, or its end is not certain (several lengths, a length beside chunks ...)
 *   LARGE        larger than allowed                                                                             */
enum message_result { MESSAGE_OK, MESSAGE_NONE, MESSAGE_CUT, MESSAGE_SLOW, MESSAGE_BAD, MESSAGE_LARGE };

/* message_request(fd, max_bytes, end_ns, out): reads one request; says `100 Continue` where the client waits for it. */
enum message_result message_request(int fd, size_t max_bytes, uint64_t end_ns, struct message *out);

/* message_answer(fd, max_bytes, end_ns, out): reads the answer to a request other than HEAD; those of 1xx are passed
 * over. */
enum message_result message_answer(int fd, size_t max_bytes, uint64_t end_ns, struct message *out);

/* message_find_head(message): sets `head` where the bytes come from elsewhere; false: it is not whole. */
bool message_find_head(struct message *message);

void message_free(struct message *message);

/* message_header(message, name, out, size): the first header of that name (any case), trimmed; NULL when there is none
 * or it does not fit. */
const char *message_header(const struct message *message, const char *name, char *out, size_t size);

/* message_line(message, at, length): the header line at *at (begin with 0), and moves *at behind it; NULL at the end of
 * the head. Without its line end. The first line is the request's or the status line. */
const char *message_line(const struct message *message, size_t *at, size_t *length);

/* message_line_is(line, length, name): whether it is the header of that name. */
bool message_line_is(const char *line, size_t length, const char *name);

#endif
