/* SPDX-License-Identifier: MIT
 * Where the server listens, and by which names it may be asked for. For http.c and web.c. */
#ifndef RESCTL_AGENT_HTTP_SOCKET_H
#define RESCTL_AGENT_HTTP_SOCKET_H

#include "http.h"

/* http_socket(server, listen, error, size): a listening descriptor, or -errno with a message; fills server->where, path
 * and local. A socket that its owner left behind, to which nobody listens any more, is replaced. */
int http_socket(struct http_server *server, const char *listen, char *error, size_t size);

/* http_socket_remove(server): the path, if it is still ours. */
void http_socket_remove(const struct http_server *server);

/* http_host_allowed(host, hosts): whether a Host field may be: an address, localhost, or one of hosts. A page on the
 * web whose name leads here (DNS rebinding) has its own name in it. */
bool http_host_allowed(const char *host, const char *const *hosts);

#endif
