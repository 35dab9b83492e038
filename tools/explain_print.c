/* SPDX-License-Identifier: MIT
 * The explanation for people. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/units.h"
#include "config/compile.h"
#include "explain.h"
#include "print.h"
#include "table.h"

static void print_safe(const char *text)
{
    char safe[ESCAPED(EXPLAIN_ORIGIN)];
    fputs(escape_text(safe, sizeof safe, text), stdout);
}

static void print_rule(const struct explanation *explanation, const struct explain_rule *rule)
{
    char text[TARGET_TEXT * 2];
    printf("[destination ");
    print_safe(rule->pattern->destination->name);
    printf("]  match = ");
    print_safe(pattern_text(explanation->rules, rule->match, text, sizeof text));
    printf("  ");
    print_safe(rule->pattern->file);
    printf(":%u", rule->match->line);
}

static void print_rules(const struct explanation *explanation)
{
    if (explanation->destination) {
        printf("rule       ");
        print_rule(explanation, &explanation->winner);
        putchar('\n');
    } else {
        printf("rule       none: such a connect is counted as unmatched and never changed\n");
    }
    for (uint32_t i = 0; i < explanation->count; i++) {
        printf("not        ");
        print_rule(explanation, &explanation->others[i]);
        printf(": %s\n", explain_why(explanation->others[i].why));
    }
}

static void print_addresses(const struct explanation *explanation)
{
    const struct target *target = explanation->target;
    if (explanation->unresolved)
        printf("NOTE       the name has no address here: rules by address were not asked (--address)\n");
    for (unsigned i = 0; i < target->addresses; i++) {
        char addr[INET6_ADDRSTRLEN] = "";
        const char *name;
        bool differs = explain_differs(explanation, i, &name);
        inet_ntop(target->address[i].family, target->address[i].addr, addr, sizeof addr);
        printf("address    %s", addr);
        if (differs) {
            printf(": OTHERWISE, ");
            print_safe(name ? name : "no rule");
        }
        putchar('\n');
    }
}

/* "FILE:LINE", "preset api (built in)", "[defaults] FILE:LINE", "default", "as timeout.connect: ..." */
static void add_origin(struct table *table, const struct explanation *explanation, int key)
{
    struct emit_origin from;
    char as[96] = "";
    emit_origin(explanation->model, explanation->index, key, &from);
    const struct section *section = from.section;
    if (from.key != key)
        snprintf(as, sizeof as, "as %s: ", key_info[from.key].name);
    if (!section)
        table_cell(table, "%sdefault", as);
    else if (from.origin.layer == LAYER_BUILTIN)
        table_cell(table, "%spreset %s (built in)", as, section->name);
    else if (section->kind == SECTION_PRESET)
        table_cell(table, "%spreset %s, %s:%u", as, section->name, from.origin.place.file, from.origin.place.line);
    else if (section->kind == SECTION_DEFAULTS)
        table_cell(table, "%s[defaults], %s:%u", as, from.origin.place.file, from.origin.place.line);
    else
        table_cell(table, "%s%s:%u", as, from.origin.place.file, from.origin.place.line);
}

static void print_values(const struct explanation *explanation)
{
    static const char *const titles[] = {"KEY", "VALUE", "FROM"};
    struct table table = {.titles = titles, .columns = 3};
    char value[EXPLAIN_VALUE];
    for (int key = 0; key < KEY_COUNT; key++) {
        explain_value(explanation, key, value, sizeof value);
        table_cell(&table, "%s", key_info[key].name);
        table_cell(&table, "%s", *value ? value : "-");
        add_origin(&table, explanation, key);
    }
    table_print(&table);
}

static void print_part(const char *name, int64_t count, int64_t sum_ns)
{
    char text[32];
    if (sum_ns == 0)
        return;
    printf("  %-24s", name);
    if (sum_ns == WORST_UNBOUNDED)
        printf(" without end\n");
    else if (count > 1)
        printf(" %s in all, for %lld attempts\n", format_duration(sum_ns, text, sizeof text), (long long)count);
    else
        printf(" %s\n", format_duration(sum_ns, text, sizeof text));
}

static void print_worst(const struct explanation *explanation)
{
    const struct worst *worst = &explanation->worst;
    char text[32];
    const char *chaos = rules_text(explanation->rules, explanation->destination->conf.chaos);
    printf("worst case of one connect()  ");
    if (!worst->enforced) {
        printf("whatever it takes without the library: mode is not enforce\n");
        return;
    }
    if (worst->worst_ns == WORST_UNBOUNDED)
        printf("until the kernel gives up (about two minutes for each attempt), or without end\n");
    else
        printf("%s\n", format_duration(worst->worst_ns, text, sizeof text));
    print_part("attempts", worst->attempts, worst->attempts_ns);
    print_part("retry delays, at most", 1, worst->backoff_ns);
    print_part("bulkhead.queue_timeout", worst->attempts, worst->queue_ns);
    print_part("rate.max_wait", worst->attempts, worst->rate_ns);
    if (worst->cut)
        printf("  %-24s %s\n", "cut by timeout.total", format_duration(worst->total_ns, text, sizeof text));
    print_part("fallback", 1, worst->fallback_ns);
    print_part("reject.delay", 1, worst->reject_ns);
    if (*chaos && strcmp(chaos, "deny") != 0)
        printf("  %-24s comes on top\n", "injected latency");
}

void explain_print(const struct explanation *explanation)
{
    print_addresses(explanation);
    print_rules(explanation);
    if (!explanation->destination)
        return;
    putchar('\n');
    print_worst(explanation);
    putchar('\n');
    print_values(explanation);
}
