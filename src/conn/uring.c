/* SPDX-License-Identifier: MIT
 * Counting and refusing rings. */
#include "conn/uring.h"

#include <errno.h>

#include "base/clock.h"
#include "conn/host.h"
#include "real/raw.h"

static bool denied(const struct rules *rules, uint64_t now_ns)
{
    for (uint32_t i = 0; rules && i < rules->destinations; i++) {
        uint32_t index = i;
        const struct rules *effective = host_effective(rules, &index, now_ns);
        const struct conf *conf = &rules_destination(effective, index)->conf;
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
        allowed = !denied(host_rules(), clock_now_ns());
        atomic_fetch_add(allowed ? &header->rings : &header->rings_denied, 1);
    }
    errno = saved;
    return allowed;
}
