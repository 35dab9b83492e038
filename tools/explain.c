/* SPDX-License-Identifier: MIT
 * `resctl explain HOST:PORT`: which rule a connect obeys and why, where each value comes from, how long it may take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/compile.h"
#include "explain.h"
#include "options.h"
#include "print.h"
#include "settings.h"

const char *explain_why(enum match_why why)
{
    static const char *const phrases[] = {
        [MATCH_WINS] = "wins",
        [MATCH_KIND] = "fits, but names its target less exactly",
        [MATCH_LENGTH] = "fits, but covers more names or addresses",
        [MATCH_PORT] = "fits, but names no port, or more of them",
        [MATCH_PLAIN] = "fits, but has no app= or uid=",
        [MATCH_LATER] = "fits as well, but stands behind the winner",
        [MATCH_MISSES] = "is of another target",
        [MATCH_MISSES_PORT] = "is of another port",
        [MATCH_MISSES_UID] = "is of another user",
        [MATCH_MISSES_APP] = "is of another program",
    };
    return phrases[why];
}

char *explain_value(const struct explanation *explanation, int key, char *out, size_t size)
{
    int64_t value = ((const int64_t *)&explanation->destination->conf)[key];
    if (key_info[key].kind != KIND_TEXT)
        return config_format_value(key, value, out, size);
    snprintf(out, size, "%s", rules_text(explanation->rules, value));
    return out;
}

bool explain_differs(const struct explanation *explanation, unsigned index, const char **name)
{
    struct target other = *explanation->target;
    other.query.name = other.text;
    target_choose(&other, index);
    int found = rules_find(explanation->rules, &other.query, NULL);
    int own = explanation->destination ? (int)explanation->index : -1;
    *name =
        found < 0 ? NULL : rules_text(explanation->rules, rules_destination(explanation->rules, (uint32_t)found)->name);
    return found != own;
}

/* A name only needs its addresses where some rule is about addresses. */
static bool wants_address(const struct rules *rules)
{
    for (uint32_t i = 0; i < rules->matches; i++)
        if (rules_match(rules, i)->kind == MATCH_ADDRESS || rules_match(rules, i)->kind == MATCH_CIDR)
            return true;
    return false;
}

static int by_why(const void *a, const void *b)
{
    const struct explain_rule *left = a, *right = b;
    if (left->why != right->why)
        return left->why < right->why ? -1 : 1;
    return left->match < right->match ? -1 : 1;
}

/* The patterns of the model stand in the order of the rules' matches. */
static void judge(struct explanation *explanation)
{
    const struct rules *rules = explanation->rules;
    const struct match_query *query = &explanation->target->query;
    const struct rule_match *winner;
    int index = rules_find(rules, query, &winner);
    uint32_t at = 0;
    explanation->others = take_memory(rules->matches, sizeof *explanation->others);
    for (const struct pattern *pattern = explanation->model->first_pattern; pattern; pattern = pattern->next, at++) {
        const struct rule_match *match = rules_match(rules, at);
        struct explain_rule rule = {pattern, match, rules_judge(rules, query, match, winner)};
        if (match == winner)
            explanation->winner = rule;
        else if (rule.why != MATCH_MISSES)
            explanation->others[explanation->count++] = rule;
    }
    qsort(explanation->others, explanation->count, sizeof *explanation->others, by_why);
    if (index < 0)
        return;
    explanation->index = (uint32_t)index;
    explanation->destination = rules_destination(rules, explanation->index);
    explanation->worst = worst_of(&explanation->destination->conf, explanation->destination->fallbacks);
}

static void visit(void *context, const struct model *model, const struct rules *rules)
{
    struct explanation *explanation = context;
    struct target *target = explanation->target;
    explanation->model = model;
    explanation->rules = rules;
    if (target->query.name && target->addresses == 0 && wants_address(rules))
        explanation->unresolved = !target_resolve(target);
    judge(explanation);
    if (explanation->is_json)
        explain_json(explanation);
    else
        explain_print(explanation);
    free(explanation->others);
}

/* HOST:PORT of the command line with what else makes a query. */
static bool read_target(const struct command *self, char **operand, const char *address, struct target *target)
{
    char want[128];
    if (!target_read(operand[0], target, want, sizeof want)) {
        complain("%s: got `%s', want %s", self->name, operand[0], want);
        return false;
    }
    if (address && !target_place(target, address)) {
        complain("%s: option --address: got `%s', want the address of a HOST that is a name", self->name, address);
        return false;
    }
    return true;
}

int command_explain(const struct command *self, int argc, char **argv)
{
    const char *path = NULL, *rules = NULL, *app = NULL, *address = NULL;
    int64_t uid = geteuid();
    bool as_json = false;
    const struct option_row rows[] = {
        {"config", 'c', OPTION_TEXT, &path, "FILE", "the configuration, else the one that programs would find"},
        {"rules", 'r', OPTION_TEXT, &rules, "TEXT", "rules on top of the file, as in RESIL_RULES"},
        {"app", 'a', OPTION_TEXT, &app, "PROGRAM", "the program that connects, for rules with app="},
        {"uid", 'u', OPTION_NUMBER, &uid, "UID", "its user, for rules with uid=; else your own"},
        {"address", 'A', OPTION_TEXT, &address, "ADDR",
         "what HOST is resolved to, for rules by address; else the resolver is asked"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object"},
        {.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 1};
    struct operands operands;
    struct settings settings;
    struct target target;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!read_target(self, operands.text, address, &target))
        return RESCTL_USAGE;
    target.query.program = app;
    target.query.uid = (uint32_t)uid;
    struct explanation explanation = {.target = &target, .is_json = as_json};
    settings_visit(path, rules, visit, &explanation, &settings);
    if (!settings.rules)
        settings_print_errors(&settings);
    code = !settings.rules ? RESCTL_USAGE : finish_output();
    if (code == RESCTL_OK && !explanation.destination)
        code = RESCTL_NO;
    settings_release(&settings);
    return code;
}
