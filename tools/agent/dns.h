/* SPDX-License-Identifier: MIT
 * DNS messages (RFC 1035, RFC 2782): a question as bytes, and what an answer says. Pure; the bytes of an answer are
 * hostile. No allocation.
 */
#ifndef RESCTL_AGENT_DNS_H
#define RESCTL_AGENT_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_NAME = 256, DNS_QUESTION = 512, DNS_MESSAGE = 65535 };
enum { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 };

struct dns_question {
    uint16_t id, type;
    char name[DNS_NAME]; /* with or without the dot at its end */
};

/* dns_ask(question, out): the message; its length, 0 when the name is none. */
size_t dns_ask(const struct dns_question *question, uint8_t out[DNS_QUESTION]);

enum dns_verdict {
    DNS_ANSWERED,
    DNS_FOREIGN,   /* not the answer to this question: go on waiting */
    DNS_TRUNCATED, /* ask again by TCP */
    DNS_NO_NAME,   /* there is no such name */
    DNS_FAILED,    /* the server says that it failed, or refuses */
    DNS_DAMAGED    /* the message contradicts itself */
};

struct dns_record {
    char name[DNS_NAME]; /* its owner, in lower case */
    uint16_t type;       /* DNS_A, DNS_AAAA or DNS_SRV */
    bool additional;     /* from the additional section */
    uint8_t addr[16];    /* of A and AAAA */
    uint16_t priority, weight, port;
    char target[DNS_NAME]; /* of SRV, in lower case; "" is the root: no such service */
};

/* dns_answer(question, message, length): whether it is the answer, and which. */
enum dns_verdict dns_answer(const struct dns_question *question, const uint8_t *message, size_t length);

/* dns_records(message, length, seen, context): calls seen() for every record of the answer and the additional section
 * whose type is one of the three. False when the message is damaged: then what was seen is worth nothing. */
bool dns_records(const uint8_t *message, size_t length, void (*seen)(void *context, const struct dns_record *record),
                 void *context);

#endif
