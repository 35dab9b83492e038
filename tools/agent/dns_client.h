/* SPDX-License-Identifier: MIT
 * Asking name servers, for SRV records and for servers that are not the system's. Waits: for children of the agent
 * alone. Address records of the system's own sources (files, nsswitch) are getaddrinfo()'s business. */
#ifndef RESCTL_AGENT_DNS_CLIENT_H
#define RESCTL_AGENT_DNS_CLIENT_H

#include "config/discovery.h"
#include "dns.h"

struct dns_reply {
    enum dns_verdict verdict; /* DNS_ANSWERED: message holds it */
    size_t length;
    uint8_t message[DNS_MESSAGE];
};

/* dns_lookup(discovery, name, type, reply): asks the server that the discovery names, or those of /etc/resolv.conf, one
 * after the other, each of them twice; by TCP when the answer was cut. NULL, or why there is no answer. */
const char *dns_lookup(const struct discovery *discovery, const char *name, uint16_t type, struct dns_reply *reply);

#endif
