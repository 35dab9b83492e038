/* SPDX-License-Identifier: MIT
 * The errors that a connection can meet, by name: those that may be injected without lying about the state
 * of the descriptor (EINPROGRESS, EALREADY and EISCONN promise something that would never come true). */
#include "config/chaos.h"

#include <errno.h>
#include <string.h>

#include "config/errnos.h"

const struct chaos_errno chaos_errnos[] = {
#define ERRNO(name)                                                                                                    \
    {                                                                                                                  \
#name, name                                                                                                    \
    }
    ERRNO(ECONNREFUSED), ERRNO(ETIMEDOUT),  ERRNO(ECONNRESET), ERRNO(ECONNABORTED),  ERRNO(EHOSTUNREACH),
    ERRNO(ENETUNREACH),  ERRNO(EHOSTDOWN),  ERRNO(ENETDOWN),   ERRNO(ENETRESET),     ERRNO(EPIPE),
    ERRNO(ENOTCONN),     ERRNO(EACCES),     ERRNO(EPERM),      ERRNO(EADDRNOTAVAIL), ERRNO(EADDRINUSE),
    ERRNO(EAFNOSUPPORT), ERRNO(EAGAIN),     ERRNO(EINTR),      ERRNO(EINVAL),        ERRNO(EIO),
    ERRNO(EMFILE),       ERRNO(ENFILE),     ERRNO(ENOBUFS),    ERRNO(ENOMEM),        ERRNO(EPROTO),
    ERRNO(EOPNOTSUPP),   ERRNO(EPROTOTYPE), ERRNO(EMSGSIZE),   ERRNO(ENOENT),        ERRNO(ENOTSOCK),
#undef ERRNO
    {NULL, 0},
};

int chaos_errno(const char *name, size_t length)
{
    for (const struct chaos_errno *row = chaos_errnos; row->name; row++)
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return row->error;
    return -1;
}

const char *chaos_errno_name(int error)
{
    for (const struct chaos_errno *row = chaos_errnos; row->name; row++)
        if (row->error == error)
            return row->name;
    return NULL;
}
