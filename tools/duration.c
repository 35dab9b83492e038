/* SPDX-License-Identifier: MIT
 * Reading --for. */
#include "duration.h"

#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "print.h"

#define LONGEST_NS (366 * 24 * 3600ll * NS_PER_S)

bool duration_read(const char *subject, const char *text, uint64_t *ns)
{
    int64_t parsed;
    *ns = 0;
    if (!text)
        return true;
    if (!parse_duration(text, strlen(text), &parsed) || parsed <= 0 || parsed > LONGEST_NS) {
        complain("%s: --for: got `%s', want a duration with its unit (us ms s m h) up to a year, such as 5m", subject,
                 text);
        return false;
    }
    *ns = (uint64_t)parsed;
    return true;
}
