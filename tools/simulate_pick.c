/* SPDX-License-Identifier: MIT
 * The verb `pick` of `resctl simulate`: the balancer among healthy endpoints. The simulated program is one process:
 * what goes by who asks (ip_hash, maglev, balance.affinity) stays where it is. */
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "config/hosts.h"
#include "simulate.h"

static const uint8_t *make_table(const struct sim *sim)
{
    uint8_t *table = calloc(1, BALANCE_TABLE), *taken = calloc(1, BALANCE_TABLE / 8 + 1);
    bool ok = table && taken && rules_maglev(sim->rules, sim->destination, table, taken);
    free(taken);
    if (ok)
        return table;
    free(table);
    return NULL;
}

bool sim_pick(struct sim *sim, uint32_t picks, FILE *out)
{
    static struct balance_host host[BALANCE_HOSTS];
    const struct rule_destination *destination = sim->destination;
    const struct conf *conf = &destination->conf;
    struct balance_call call;
    _Atomic uint64_t *state = seg_row(&sim->segment, sim->row)->pick;
    if (destination->endpoints == 0)
        return false;
    rules_hosts(sim->rules, destination, host);
    rules_call(sim->rules, destination, &call);
    const uint8_t *table = conf->balance == BALANCE_MAGLEV ? make_table(sim) : NULL;
    call.table = table;
    call.table_size = BALANCE_TABLE;
    call.key = prng_mix(sim->seed);
    call.by_key = conf->balance_affinity == AFFINITY_UID || conf->balance_affinity == AFFINITY_SOURCE;
    call.kept = sim->kept ? sim->kept - 1 : BALANCE_HOSTS;
    for (uint32_t i = 0; i < picks; i++) {
        call.number = atomic_fetch_add(&state[0], 1);
        call.random = sim_draw(sim);
        struct balance_choice choice = balance_pick(host, destination->endpoints, &call);
        if (conf->balance_affinity == AFFINITY_PROCESS)
            sim->kept = (call.kept = choice.index) + 1;
        const struct rule_endpoint *endpoint = rules_endpoint(sim->rules, destination, choice.index);
        fprintf(out, "%s%s", i ? "," : "", rules_text(sim->rules, endpoint->text));
    }
    free((void *)(uintptr_t)table);
    return true;
}
