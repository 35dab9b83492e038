/* SPDX-License-Identifier: MIT
 * The only constructor. The library is linked with -z initfirst, so that it mostly runs before every other
 * constructor; where it does not, src/real/early.c carries the calls until it has.
 *
 * Order: real functions; settings from the environment; fork handlers. Nothing is mapped or opened: a program that
 * never connects pays for this function only. */
#include <pthread.h>

#include "base/mark.h"
#include "conn/host.h"
#include "conn/lineage.h"
#include "conn/track.h"
#include "real/real.h"

/* For readers of the file or of a process's memory. */
static const char mark[] __attribute__((used)) = LIBRARY_MARK RESIL_VERSION;

__attribute__((constructor)) static void initialise(int argc, char **argv, char **environment)
{
    real_resolve();
    host_init(argc > 0 ? argv[0] : NULL, environment);
    if (host.inert)
        return;
    lineage_begin();
    pthread_atfork(lineage_before_fork, NULL, lineage_after_fork);
}

__attribute__((destructor)) static void finish(void)
{
    if (!host.inert && atomic_load(&conn_live) > 0 && !lineage_borrowed())
        track_exit();
}
