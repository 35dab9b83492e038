/* SPDX-License-Identifier: MIT
 * Facts about checks. */
#include "checks.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32.h"
#include "base/text.h"
#include "print.h"
#include "tables/enums.h"

struct row_key check_key(const struct rules *rules, const struct rule_check *rule, char *label)
{
    const char *target = rules_text(rules, rule->target), *kind = probe_names[rule->kind];
    /* A command may hold what readers of health need not know. */
    if (rule->kind == PROBE_EXEC || strlen(kind) + 1 + strlen(target) >= SEG_LABEL)
        text_format(label, SEG_LABEL, "%s %x", kind, crc32_update(0, target, strlen(target)));
    else
        text_format(label, SEG_LABEL, "%s %s", kind, target);
    return (struct row_key){
        .kind = ROW_CHECK, .parent = ROW_NONE, .name = rules_text(rules, rule->name), .path = label};
}

void checks_count(struct seg_row *row, const struct probe_result *result)
{
    seg_count(row, result->finding == FINDING_OK ? COUNTER_connects_ok : COUNTER_connects_failed, 1);
    atomic_store_explicit(&row->ewma, result->latency_us, memory_order_relaxed);
}

/* ---- what the agent found */

static void read_fact(const struct seg_row *row, uint64_t now_ns, struct check_fact *fact)
{
    uint64_t checked_ns = atomic_load_explicit(&row->checked_ns, memory_order_acquire);
    uint64_t since_ns = atomic_load(&row->health_since_ns);
    fact->passed = atomic_load(&row->counter[COUNTER_connects_ok]);
    fact->failed = atomic_load(&row->counter[COUNTER_connects_failed]);
    if (!health_is_fresh(checked_ns, fact->rule->interval_ns, now_ns))
        return;
    fact->is = health_unpack(atomic_load(&row->health));
    fact->latency_us = atomic_load(&row->ewma);
    fact->age_ms = now_ns > checked_ns ? (now_ns - checked_ns) / (uint64_t)NS_PER_MS : 0;
    fact->since_ms = now_ns > since_ns ? (now_ns - since_ns) / (uint64_t)NS_PER_MS : 0;
}

static bool names_row(const struct check_fact *fact, const struct seg_row *row)
{
    return strncmp(fact->name, row->name, sizeof row->name) == 0 &&
           strncmp(fact->label, row->label, sizeof row->label) == 0;
}

uint32_t checks_read(const struct segment *segment, const struct rules *rules, uint64_t now_ns, struct check_fact *out)
{
    for (uint32_t i = 0; i < rules->checks; i++) {
        const struct rule_check *rule = rules_check(rules, i);
        out[i] = (struct check_fact){.rule = rule, .name = rules_text(rules, rule->name)};
        check_key(rules, rule, out[i].label);
    }
    for (uint32_t r = 0; segment && r < SEG_ROWS; r++) {
        const struct seg_row *row = seg_row(segment, r);
        for (uint32_t i = 0; rows_ready(row) && row->kind == ROW_CHECK && i < rules->checks; i++)
            if (names_row(&out[i], row))
                read_fact(row, now_ns, &out[i]);
    }
    return rules->checks;
}

/* ---- asking */

struct question {
    struct check_fact *fact;
    struct probe_aim aim;
    struct probe probe;
};

static void begin(struct question *question, const struct rules *rules, struct check_fact *fact)
{
    const char *text = rules_text(rules, fact->rule->target);
    struct target target;
    question->fact = fact;
    question->probe = PROBE_IDLE;
    if (!target_parse((enum probe_kind)fact->rule->kind, text, strlen(text), &target))
        return;
    probe_aim_at(&question->aim, &target);
    probe_start(&question->probe, &question->aim, (uint64_t)fact->rule->timeout_ns, clock_now_ns());
}

static void note(struct question *question)
{
    const struct probe_result *result = &question->probe.result;
    question->fact->is = (struct health){.state = result->finding == FINDING_OK ? HEALTH_UP : HEALTH_DOWN,
                                         .finding = result->finding,
                                         .detail = result->detail};
    question->fact->latency_us = result->latency_us;
}

/* Steps all that run; false: none does any more. */
static bool step_all(struct question *questions, uint32_t count)
{
    struct pollfd fds[RULES_CHECKS];
    nfds_t used = 0;
    uint64_t now_ns = clock_now_ns(), until_ns = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct probe *probe = &questions[i].probe;
        if (questions[i].fact->is.state != HEALTH_UNKNOWN)
            continue;
        if (probe_step(probe, now_ns)) {
            note(&questions[i]);
            continue;
        }
        until_ns = probe->deadline_ns < until_ns ? probe->deadline_ns : until_ns;
        fds[used++] = (struct pollfd){.fd = probe_fd(probe), .events = probe_events(probe)};
    }
    if (used == 0)
        return false;
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    poll(fds, used, (int)(wait_ns / (uint64_t)NS_PER_MS) + 1);
    return true;
}

void checks_ask(const struct rules *rules, struct check_fact *facts, uint32_t count)
{
    struct question *questions = take_memory(count + 1, sizeof *questions);
    uint32_t asked = 0;
    for (uint32_t i = 0; i < count; i++)
        if (facts[i].is.state == HEALTH_UNKNOWN)
            begin(&questions[asked++], rules, &facts[i]);
    while (step_all(questions, asked))
        ;
    free(questions);
}
