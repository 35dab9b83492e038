/* SPDX-License-Identifier: MIT
 * Socket addresses as the rules see them. Pure; any thread; signal safe. */
#ifndef RESIL_CONN_ADDRESS_H
#define RESIL_CONN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_PATH = 112 };

struct address {
    int family; /* AF_INET (v4-mapped too), AF_INET6, AF_UNIX */
    uint16_t port;
    uint8_t addr[16];
    char path[ADDRESS_PATH]; /* AF_UNIX: "@name" when abstract */
};

/* address_read(out, addr, length): false for families that are never tracked, and for lengths that the kernel will
 * refuse. addr must be readable. */
bool address_read(struct address *out, const struct sockaddr *addr, socklen_t length);

/* address_unmap(family, addr): turns a v4-mapped IPv6 address into an IPv4 one in place; returns the family. */
int address_unmap(int family, uint8_t addr[16]);

#endif
