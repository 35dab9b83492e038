/* SPDX-License-Identifier: MIT
 * Rules -> hosts. */
#include "config/hosts.h"

#include <string.h>

void rules_hosts(const struct rules *rules, const struct rule_destination *destination, struct balance_host *host)
{
    for (uint32_t i = 0; i < destination->endpoints; i++) {
        const struct rule_endpoint *endpoint = rules_endpoint(rules, destination, i);
        host[i] = (struct balance_host){.weight = endpoint->weight,
                                        .share = BALANCE_WHOLE_SHARE,
                                        .state = BALANCE_READY,
                                        .backup = endpoint->backup};
    }
}

void rules_call(const struct rules *rules, const struct rule_destination *destination, struct balance_call *call)
{
    const struct conf *conf = &destination->conf;
    *call = (struct balance_call){.strategy = conf->balance,
                                  .max_eject_ppm = conf->breaker_max_eject_ppm,
                                  .panic_ppm = conf->breaker_panic_ppm,
                                  .kept = BALANCE_HOSTS};
    for (uint32_t tier = 0; tier < 2; tier++)
        call->sequence[tier] =
            (struct balance_sequence){rules_cycle(rules, destination, tier), destination->cycle_length[tier]};
}

bool rules_maglev(const struct rules *rules, const struct rule_destination *destination, uint8_t *table, uint8_t *taken)
{
    uint16_t weight[BALANCE_HOSTS] = {0};
    uint64_t hash[BALANCE_HOSTS] = {0};
    bool any = false;
    for (uint32_t i = 0; i < destination->endpoints; i++) {
        const struct rule_endpoint *endpoint = rules_endpoint(rules, destination, i);
        const char *text = rules_text(rules, endpoint->text);
        hash[i] = balance_hash(text, strlen(text));
        weight[i] = endpoint->backup ? 0 : endpoint->weight;
        any |= !endpoint->backup;
    }
    balance_maglev(weight, hash, destination->endpoints, table, BALANCE_TABLE, taken);
    return any;
}
