/* SPDX-License-Identifier: MIT
 * Counting and refusing rings. */
#include "conn/uring.h"

#include <errno.h>

#include "conn/host.h"
#include "real/raw.h"

static bool denied(const struct rules *rules)
{
    for (uint32_t i = 0; rules && i < rules->destinations; i++) {
        const struct conf *conf = &rules_destination(rules, i)->conf;
        if (conf->io_uring == IO_URING_DENY && conf->mode == MODE_ENFORCE)
            return true;
    }
    return false;
}

bool uring_allowed(void)
{
    int saved = errno;
    /* A vfork child runs in its parent's memory: it must not attach there. */
    bool own = (uint32_t)raw_getpid() == atomic_load_explicit(&host.pid, memory_order_relaxed);
    bool allowed = true;
    if (!host.inert && own && host_attach() && !host_off()) {
        struct seg_header *header = seg_header(&host.segment);
        allowed = !denied(host_rules());
        atomic_fetch_add(allowed ? &header->rings : &header->rings_denied, 1);
    }
    errno = saved;
    return allowed;
}
