/* SPDX-License-Identifier: MIT
 * The endpoints of the rules as the balancer (policy/balance.h) wants them: for the library and for resctl simulate.
 * Any thread; signal safe; no allocation. */
#ifndef RESIL_CONFIG_HOSTS_H
#define RESIL_CONFIG_HOSTS_H

#include "config/rules.h"
#include "policy/balance.h"

/* rules_hosts(rules, destination, host): weight and backup of each endpoint, in the order of the list; ready, whole,
 * with no load. */
void rules_hosts(const struct rules *rules, const struct rule_destination *destination, struct balance_host *host);

/* rules_call(rules, destination, call): strategy, limits and sequences; everything else is 0, nothing is kept. */
void rules_call(const struct rules *rules, const struct rule_destination *destination, struct balance_call *call);

/* rules_maglev(rules, destination, table, taken): fills BALANCE_TABLE bytes from the primaries; taken as
 * balance_maglev() wants it. False when there is no primary. */
bool rules_maglev(const struct rules *rules, const struct rule_destination *destination, uint8_t *table,
                  uint8_t *taken);

#endif
