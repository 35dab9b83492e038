/* SPDX-License-Identifier: MIT
 * The [check NAME] sections of the rules, and their rows in the segment: where the agent writes what it found, and
 * everybody else reads it. */
#ifndef RESCTL_CHECKS_H
#define RESCTL_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/probe.h"
#include "config/rules.h"
#include "policy/health.h"
#include "segment/rows.h"
#include "segment/segment.h"

/* check_key(rules, rule, label): the key of a check's row; label has SEG_LABEL bytes, and the key points to it. */
struct row_key check_key(const struct rules *rules, const struct rule_check *rule, char *label);

/* checks_count(row, result): one more result in a check's row: it keeps the numbers of good and bad ones (counters
 * connects_ok, connects_failed) and the time that the last one took (ewma, in us). The active agent's. */
void checks_count(struct seg_row *row, const struct probe_result *result);

/* What is known of a check. */
struct check_fact {
    const char *name;
    const struct rule_check *rule;
    char label[SEG_LABEL];
    struct health is; /* HEALTH_UNKNOWN: nobody has asked lately */
    uint64_t latency_us, age_ms, since_ms;
    uint64_t passed, failed; /* results since the row was made */
};

/* checks_read(segment, rules, now_ns, out): the facts of all checks of valid rules, by one look at the table; out has
 * RULES_CHECKS places. Returns how many there are. */
uint32_t checks_read(const struct segment *segment, const struct rules *rules, uint64_t now_ns, struct check_fact *out);

/* checks_ask(rules, facts, count): asks those that are unknown now, all at once, each within its timeout. Their first
 * answer decides. Blocks. */
void checks_ask(const struct rules *rules, struct check_fact *facts, uint32_t count);

#endif
