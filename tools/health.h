/* SPDX-License-Identifier: MIT
 * The health of the whole: what [check] sections found, what active checks of endpoints found, and breakers.
 *
 *   unhealthy  something critical is: a check with critical = on that fails, or that nobody has made lately; a
 *              destination with health.check and health.check.critical = on none of whose endpoints is up
 *   degraded   something else is not healthy: another check; a destination whose breaker is not closed, or some of
 * whose endpoints are down healthy    everything is
 */
#ifndef RESCTL_HEALTH_H
#define RESCTL_HEALTH_H

#include <stdio.h>

#include "checks.h"
#include "view.h"

enum health_scope { HEALTH_OF_ALL, HEALTH_OF_LIVENESS, HEALTH_OF_READINESS };

/* health_write(view, facts, count, scope, out): the answer as a JSON object; returns its HTTP status. */
int health_write(const struct view *view, const struct check_fact *facts, uint32_t count, enum health_scope scope,
                 FILE *out);

#endif
