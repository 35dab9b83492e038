/* SPDX-License-Identifier: MIT
 * The only constructor. The library is linked with -z initfirst, so that it mostly runs before every other
 * constructor; where it does not, src/real/early.c carries the calls until it has.
 *
 * Order: real functions; settings from the environment; fork handler. Nothing is mapped or opened: a program that
 * never connects pays for this function only. */
#include <pthread.h>

#include "conn/host.h"
#include "conn/track.h"
#include "real/real.h"

static void in_child(void)
{
    host_after_fork();
    track_after_fork();
}

__attribute__((constructor)) static void initialise(int argc, char **argv, char **environment)
{
    real_resolve();
    host_init(argc > 0 ? argv[0] : NULL, environment);
    if (!host.inert)
        pthread_atfork(NULL, NULL, in_child);
}
