/* SPDX-License-Identifier: MIT
 * What `status` tells of discovery. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "json.h"
#include "print.h"
#include "segment/rows.h"
#include "status.h"

struct discovery_facts {
    const char *source; /* "": the destination is not discovered */
    bool found;         /* at least once, */
    uint64_t age_ms;    /* and so long ago */
    uint64_t failures;  /* in a row since then */
};

static struct discovery_facts read_facts(const struct view *view, const struct view_destination *destination)
{
    struct discovery_facts facts = {.source = ""};
    if (!destination->rule)
        return facts;
    facts.source = rules_text(destination->rules, destination->rule->conf.discover);
    if (destination->seg_row == ROW_NONE)
        return facts;
    const struct seg_row *row = seg_row(view->segment, destination->seg_row);
    uint64_t then_ns = atomic_load(&row->discovered_ns);
    facts.found = then_ns != 0;
    facts.age_ms = then_ns < view->now_ns ? (view->now_ns - then_ns) / (uint64_t)NS_PER_MS : 0;
    facts.failures = atomic_load(&row->discover_failures);
    return facts;
}

void status_discovery_json(struct json *json, const struct view *view, const struct view_destination *destination)
{
    struct discovery_facts facts = read_facts(view, destination);
    if (!*facts.source) {
        json_null(json, "discovery");
        return;
    }
    json_object(json, "discovery");
    json_text(json, "source", facts.source);
    if (facts.found)
        json_number(json, "age_ms", facts.age_ms);
    else
        json_null(json, "age_ms");
    json_number(json, "failures", facts.failures);
    json_array(json, "endpoints");
    for (uint32_t i = 0; i < destination->rule->endpoints; i++) {
        const struct rule_endpoint *endpoint = rules_endpoint(destination->rules, destination->rule, i);
        char text[SEG_LABEL + 64], weight[24] = "";
        if (endpoint->weight != 1)
            snprintf(weight, sizeof weight, " weight=%u", endpoint->weight);
        snprintf(text, sizeof text, "%s%s%s", rules_text(destination->rules, endpoint->text), weight,
                 endpoint->backup ? " backup" : "");
        json_text(json, NULL, text);
    }
    json_close(json);
    json_close(json);
}

void status_discovery_print(const struct view *view)
{
    char age[DURATION_TEXT], name[ESCAPED(SEG_NAME)], source[ESCAPED(512)];
    for (uint32_t i = 0; i < view->destinations; i++) {
        struct discovery_facts facts = read_facts(view, &view->destination[i]);
        if (!*facts.source)
            continue;
        printf("%s  %s: ", facts.failures ? "DISCOVERY" : "discovery",
               escape_text(name, sizeof name, view->destination[i].name));
        printf("%s, %u endpoint%s", escape_text(source, sizeof source, facts.source),
               view->destination[i].rule->endpoints, view->destination[i].rule->endpoints == 1 ? "" : "s");
        if (facts.found)
            printf(", found %s ago", format_rough(age, facts.age_ms * 1000));
        else
            printf(", never found");
        if (facts.failures)
            printf("; %" PRIu64 " FAILED look%s since", facts.failures, facts.failures == 1 ? "" : "s");
        putchar('\n');
    }
}
