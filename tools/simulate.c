/* SPDX-License-Identifier: MIT
 * `resctl simulate`: a script of calls through the policy engine, in virtual time. One line a call, "TIME VERB ARGS";
 * each line is printed as written, with its result and the breaker's state after it. */
#include "simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "config/compile.h"
#include "options.h"
#include "policy/retry.h"
#include "print.h"
#include "segment/layout.h"
#include "view.h"

enum { WORDS_MAX = 4 };

struct run {
    struct sim sim;
    const char *config, *destination;
    struct option_list sets;
    void *block;
    unsigned line_number;
    char *word[WORDS_MAX + 1]; /* of the current line: TIME VERB ARGS */
    int words;
    uint64_t earliest_ns;
};

struct verb {
    const char *name;
    int words_min, words_max;
    bool (*function)(struct run *run, const char *line);
};

static bool wrong(const struct run *run, const char *why, const char *got)
{
    complain("simulate: line %u: %s%s%s%s", run->line_number, why, got ? " `" : "", got ? got : "", got ? "'" : "");
    return false;
}

/* The rules of the simulated destination: the file's, or the defaults, and every --set and `set` so far on top. */
static bool compile(struct run *run)
{
    static char text[65536], report[4096];
    struct config_errors errors = {.text = report, .size = sizeof report};
    size_t bytes, used;
    used =
        (size_t)snprintf(text, sizeof text, "[destination %s]\n%s", run->destination, run->config ? "" : "match = *\n");
    for (int i = 0; i < run->sets.count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n", run->sets.item[i]);
    /* An empty file, not the built-in text: that one only observes. */
    struct config_input input = {.path = run->config ? run->config : "/dev/null", .inline_text = text};
    report[0] = '\0';
    if (used >= sizeof text || !config_compile(&input, run->block, SEG_RULES_BYTES, &errors, &bytes)) {
        complain("simulate: %s", report);
        return false;
    }
    const struct rules *rules = run->block;
    run->sim.rules = rules;
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *row = rules_destination(rules, i);
        if (strcmp(rules_text(rules, row->name), run->destination) == 0)
            run->sim.destination = row, run->sim.conf = row->conf;
    }
    return true;
}

/* "KEY=VALUE" of a --set: a key that exists, so that nothing else can slip into the text. */
static bool check_set(const char *set)
{
    size_t key = strcspn(set, "= ");
    if (strchr(set, '=') && config_key(set, key) >= 0 && !strpbrk(set, ";#\n"))
        return true;
    complain("simulate: got `%s', want KEY=VALUE with a known key", set);
    return false;
}

/* A time or duration: bare numbers are seconds. */
static bool parse_time(const char *text, uint64_t *ns)
{
    char with_unit[64];
    int64_t value;
    bool bare = *text && text[strlen(text) - 1] >= '0' && text[strlen(text) - 1] <= '9';
    snprintf(with_unit, sizeof with_unit, "%s%s", text, bare ? "s" : "");
    if (strlen(text) > 40 || !parse_duration(with_unit, strlen(with_unit), &value))
        return false;
    *ns = (uint64_t)value;
    return true;
}

static bool parse_outcome(const struct run *run, const char *text, struct sim_result *result)
{
    static const struct {
        const char *name;
        struct sim_result result;
    } outcomes[] = {{"ok", {OUTCOME_SUCCESS, false}},
                    {"fail", {OUTCOME_FAILURE, false}},
                    {"timeout", {OUTCOME_FAILURE, true}},
                    {"ignore", {OUTCOME_IGNORED, false}}};
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        if (strcmp(outcomes[i].name, text) == 0) {
            *result = outcomes[i].result;
            return true;
        }
    }
    return wrong(run, "want an outcome (ok fail timeout ignore), got", text);
}

static bool answer(struct run *run, const char *line, const char *result)
{
    printf("%s -> %s", line, result);
    sim_state(&run->sim, stdout);
    putchar('\n');
    sim_turns(&run->sim, stdout);
    return true;
}

static struct sim_call *new_call(struct run *run)
{
    struct sim_call *call = sim_find(&run->sim, "");
    if (!call)
        wrong(run, "too many open calls", NULL);
    return call;
}

static bool verb_call(struct run *run, const char *line)
{
    struct sim_result result;
    uint64_t duration_ns = 0;
    struct sim_call *call = new_call(run);
    if (!call || !parse_outcome(run, run->word[2], &result))
        return false;
    if (run->words > 3 && !parse_time(run->word[3], &duration_ns))
        return wrong(run, "want a duration, got", run->word[3]);
    const char *answered = sim_begin(&run->sim, call, false, (uint64_t)run->sim.conf.priority);
    if (call->state == SIM_OPEN) {
        snprintf(call->id, sizeof call->id, "\n"); /* a name that no script can spell */
        call->slow_ns = 0; /* a finished outcome, as the systems' own tests have them: it counts at its end */
        run->earliest_ns = run->sim.now_ns + duration_ns;
        sim_pass(&run->sim, run->earliest_ns, stdout); /* what falls due meanwhile */
        sim_end(&run->sim, call, result);
    }
    return answer(run, line, answered);
}

static bool verb_begin(struct run *run, const char *line)
{
    int64_t priority = run->sim.conf.priority;
    struct sim_call *call = new_call(run);
    if (!call)
        return false;
    if (strlen(run->word[2]) >= SIM_ID || sim_find(&run->sim, run->word[2]))
        return wrong(run, "want an ID that is not in use, got", run->word[2]);
    if (run->words > 3) {
        const char *text = run->word[3];
        size_t prefix = strlen("priority=");
        if (strncmp(text, "priority=", prefix) != 0 || !parse_count(text + prefix, strlen(text + prefix), &priority))
            return wrong(run, "want priority=N, got", text);
    }
    snprintf(call->id, sizeof call->id, "%s", run->word[2]);
    return answer(run, line, sim_begin(&run->sim, call, true, (uint64_t)priority));
}

static struct sim_call *known_call(struct run *run)
{
    struct sim_call *call = sim_find(&run->sim, run->word[2]);
    if (!call)
        wrong(run, "no open call", run->word[2]);
    return call;
}

static bool verb_end(struct run *run, const char *line)
{
    struct sim_result result;
    struct sim_call *call = known_call(run);
    if (!call || !parse_outcome(run, run->word[3], &result))
        return false;
    if (call->state != SIM_OPEN)
        return wrong(run, "still waits:", run->word[2]);
    return answer(run, line, sim_end(&run->sim, call, result));
}

static bool verb_kill(struct run *run, const char *line)
{
    struct sim_call *call = known_call(run);
    if (!call)
        return false;
    sim_kill(&run->sim, call);
    return answer(run, line, "done");
}

static bool verb_force(struct run *run, const char *line)
{
    const char *word = run->word[2];
    if (strcmp(word, "open") == 0)
        sim_force(&run->sim, STATE_FORCED_OPEN);
    else if (strcmp(word, "closed") == 0)
        sim_force(&run->sim, STATE_FORCED_CLOSED);
    else if (strcmp(word, "auto") == 0)
        sim_force(&run->sim, STATE_CLOSED);
    else
        return wrong(run, "want open, closed or auto, got", word);
    return answer(run, line, "-");
}

static bool verb_set(struct run *run, const char *line)
{
    if (run->sets.count == OPTION_LIST_MAX || !check_set(run->word[2]))
        return wrong(run, "cannot set", run->word[2]);
    /* The same key again replaces its earlier value: in one section a key stands once. */
    size_t key = strcspn(run->word[2], "=");
    for (int i = 0; i < run->sets.count; i++)
        if (strncmp(run->sets.item[i], run->word[2], key + 1) == 0)
            run->sets.item[i--] = run->sets.item[--run->sets.count];
    run->sets.item[run->sets.count++] = strdup(run->word[2]);
    return compile(run) ? answer(run, line, "-") : wrong(run, "cannot set", run->word[2]);
}

static bool verb_show(struct run *run, const char *line)
{
    printf("%s -> -", line);
    sim_state(&run->sim, stdout);
    sim_show(&run->sim, stdout);
    putchar('\n');
    return true;
}

static bool verb_backoff(struct run *run, const char *line)
{
    int64_t count;
    uint64_t delay_ns = 0;
    if (!parse_count(run->word[2], strlen(run->word[2]), &count) || count < 1 || count > 100000)
        return wrong(run, "want a number of retries, got", run->word[2]);
    printf("%s -> ", line);
    for (uint32_t i = 1; i <= count; i++) {
        delay_ns = retry_delay_ns(&run->sim.conf, i, delay_ns, sim_draw(&run->sim));
        char text[32];
        snprintf(text, sizeof text, "%.6f", (double)delay_ns / 1e6);
        size_t length = strlen(text);
        while (text[length - 1] == '0')
            text[--length] = '\0';
        if (text[length - 1] == '.')
            text[--length] = '\0';
        printf("%s%s", i > 1 ? "," : "", text);
    }
    sim_state(&run->sim, stdout);
    putchar('\n');
    return true;
}

static bool verb_pick(struct run *run, const char *line)
{
    int64_t count;
    if (!parse_count(run->word[2], strlen(run->word[2]), &count) || count < 1 || count > 1000000)
        return wrong(run, "want a number of choices, got", run->word[2]);
    if (run->sim.destination->endpoints == 0)
        return wrong(run, "no endpoints are set", NULL);
    printf("%s -> ", line);
    sim_pick(&run->sim, (uint32_t)count, stdout);
    sim_state(&run->sim, stdout);
    putchar('\n');
    return true;
}

static const struct verb verbs[] = {
    {"call", 3, 4, verb_call}, {"begin", 3, 4, verb_begin},     {"end", 4, 4, verb_end},
    {"kill", 3, 3, verb_kill}, {"force", 3, 3, verb_force},     {"set", 3, 3, verb_set},
    {"show", 2, 2, verb_show}, {"backoff", 3, 3, verb_backoff}, {"pick", 3, 3, verb_pick},
};

static void split(struct run *run, char *text)
{
    char *rest = text;
    run->words = 0;
    for (char *word; run->words <= WORDS_MAX && (word = strtok_r(rest, " \t", &rest));)
        run->word[run->words++] = word;
}

static bool execute(struct run *run, const char *line)
{
    uint64_t at_ns;
    const struct verb *verb = NULL;
    if (!parse_time(run->word[0], &at_ns))
        return wrong(run, "want a time in seconds, got", run->word[0]);
    if (at_ns < run->earliest_ns)
        return wrong(run, "time goes back to", run->word[0]);
    for (size_t i = 0; run->words > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, run->word[1]) == 0)
            verb = &verbs[i];
    if (!verb)
        return wrong(run, "want a verb (call begin end kill force set show backoff pick), got",
                     run->words > 1 ? run->word[1] : "");
    if (run->words < verb->words_min || run->words > verb->words_max)
        return wrong(run, "wrong number of words for", verb->name);
    run->earliest_ns = at_ns;
    sim_mark(&run->sim); /* what happens between the lines belongs to the later one */
    sim_pass(&run->sim, at_ns, stdout);
    return verb->function(run, line);
}

static bool run_script(struct run *run, FILE *in)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    bool ok = true;
    while (ok && (length = getline(&line, &size, in)) >= 0) {
        run->line_number++;
        line[strcspn(line, "#\r\n")] = '\0';
        for (size_t end = strlen(line); end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'); end--)
            line[end - 1] = '\0';
        char *echo = strdup(line);
        split(run, line);
        if (run->words > 0)
            ok = execute(run, echo);
        free(echo);
    }
    free(line);
    return ok;
}

static bool prepare(struct run *run, int64_t seed)
{
    for (int i = 0; i < run->sets.count; i++)
        if (!check_set(run->sets.item[i]))
            return false;
    if ((run->config == NULL) != (run->destination == NULL)) {
        complain("simulate: --config and --destination go together");
        return false;
    }
    if (!run->destination)
        run->destination = "simulate";
    run->block = malloc(SEG_RULES_BYTES);
    return run->block && sim_start(&run->sim, (uint64_t)seed) && compile(run);
}

int command_simulate(const struct command *self, int argc, char **argv)
{
    static struct run run; /* too large for a stack */
    int64_t seed = 1;
    int code;
    struct operands operands;
    const struct option_row rows[] = {
        {"set", 's', OPTION_LIST, &run.sets, "KEY=VALUE", "a key of the simulated destination; may be repeated"},
        {"config", 'c', OPTION_TEXT, &run.config, "FILE", "take the destination from this configuration"},
        {"destination", 'd', OPTION_TEXT, &run.destination, "NAME", "its name there"},
        {"seed", 0, OPTION_NUMBER, &seed, "N", "of the random numbers (1)"},
        {0},
    };
    const struct options options = {.command = self, .rows = rows, .operands_max = 1};
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!prepare(&run, seed))
        return RESCTL_USAGE;
    FILE *in = operands.count ? fopen(operands.text[0], "re") : stdin;
    if (!in) {
        complain("simulate: %s: %s", operands.text[0], strerror(errno));
        return RESCTL_USAGE;
    }
    bool ok = run_script(&run, in);
    if (in != stdin)
        fclose(in);
    free(run.block);
    return ok ? RESCTL_OK : RESCTL_USAGE;
}
