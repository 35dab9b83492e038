/* SPDX-License-Identifier: MIT
 * From names to rows. */
#include "breakers.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/overlay.h"
#include "config/report.h"
#include "print.h"
#include "segment/rows.h"

static bool is_named(const struct breakers *breakers, const struct seg_row *row)
{
    char text[SEG_NAME];
    return rows_ready(row) && strcmp(copy_text(text, sizeof text, row->name, sizeof row->name), breakers->name) == 0;
}

static bool is_endpoint(const struct seg_row *row)
{
    return row->kind == ROW_ENDPOINT || row->kind == ROW_FALLBACK;
}

/* A socket's path may be written with or without the prefix that a configuration has. */
static bool has_label(const struct seg_row *row, const char *endpoint)
{
    char label[SEG_LABEL];
    size_t prefix = strncmp(endpoint, RULES_UNIX, strlen(RULES_UNIX)) == 0 ? strlen(RULES_UNIX) : 0;
    copy_text(label, sizeof label, row->label, sizeof row->label);
    return strcmp(label, endpoint) == 0 || strcmp(label, endpoint + prefix) == 0;
}

/* A name may be of a destination, or of one and of its endpoint behind the first slash that splits it so. */
static void split(struct breakers *breakers)
{
    const char *text = breakers->text;
    breakers->destination = view_find(breakers->view, text);
    copy_text(breakers->name, sizeof breakers->name, text, sizeof breakers->name);
    for (const char *slash = strchr(text, '/'); !breakers->destination && slash; slash = strchr(slash + 1, '/')) {
        if ((size_t)(slash - text) >= sizeof breakers->name)
            break;
        copy_text(breakers->name, sizeof breakers->name, text, (size_t)(slash - text));
        breakers->endpoint = slash + 1;
        breakers->destination = view_find(breakers->view, breakers->name);
    }
}

static void make_endpoints(struct breakers *breakers, const struct rules *rules, uint32_t destination, uint32_t parent)
{
    const struct rule_destination *rule = rules_destination(rules, destination);
    breakers->balanced = rule->endpoints > 0;
    for (uint32_t i = 0; i < rule->endpoints && parent != ROW_NONE; i++) {
        const struct rule_endpoint *endpoint = rules_endpoint(rules, rule, i);
        struct row_key key = {.kind = ROW_ENDPOINT,
                              .parent = parent,
                              .family = endpoint->family,
                              .port = endpoint->port,
                              .name = breakers->name};
        if (endpoint->family == AF_UNIX)
            key.path = rules_text(rules, endpoint->text) + strlen(RULES_UNIX);
        memcpy(key.addr, endpoint->addr, sizeof key.addr);
        rows_get(breakers->segment, &key);
    }
}

static void make_rows(struct breakers *breakers)
{
    const struct view *view = breakers->view;
    int index = view->rules ? overlay_find(view->rules, breakers->name) : -1;
    struct row_key key = {.kind = ROW_DESTINATION, .name = breakers->name};
    if (index < 0)
        return;
    uint32_t parent = rows_get(breakers->segment, &key);
    int row = live_row(view->live, (uint32_t)index, view->now_ns);
    make_endpoints(breakers, row < 0 ? view->rules : live_rules(view->live), (uint32_t)(row < 0 ? index : row), parent);
}

static void collect(struct breakers *breakers)
{
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(breakers->segment, i);
        if (!is_named(breakers, row))
            continue;
        if (breakers->endpoint ? is_endpoint(row) && has_label(row, breakers->endpoint)
                               : row->kind == ROW_DESTINATION || is_endpoint(row))
            breakers->row[breakers->rows++] = i;
        if (row->kind == ROW_DESTINATION && breakers->rows > 1 && breakers->row[breakers->rows - 1] == i) {
            breakers->row[breakers->rows - 1] = breakers->row[0];
            breakers->row[0] = i;
        }
    }
}

static bool unknown(const struct breakers *breakers)
{
    char safe[ESCAPED(SEG_LABEL)], given[ESCAPED(SEG_NAME + SEG_LABEL)];
    const char *text = breakers->text;
    struct nearest nearest = {.got = {.text = text, .length = strcspn(text, "/")}};
    if (breakers->destination)
        nearest.got = (struct slice){.text = breakers->endpoint, .length = strlen(breakers->endpoint)};
    for (uint32_t i = 0; !breakers->destination && i < breakers->view->destinations; i++)
        nearest_offer(&nearest, breakers->view->destination[i].name);
    for (uint32_t i = 1; breakers->destination && i < breakers->destination->rows; i++)
        nearest_offer(&nearest, breakers->destination->row[i].endpoint);
    complain("%s: no %s `%s' in %s%s%s", breakers->subject, breakers->destination ? "endpoint" : "destination",
             escape_text(given, sizeof given, text), breakers->view->segment->path,
             nearest.name ? "; the nearest is " : "", nearest.name ? escape_text(safe, sizeof safe, nearest.name) : "");
    return false;
}

bool breakers_find(struct breakers *breakers, bool configured)
{
    split(breakers);
    if (breakers->destination && configured)
        make_rows(breakers);
    if (breakers->destination)
        collect(breakers);
    if (!breakers->destination || (breakers->endpoint && breakers->rows == 0))
        return unknown(breakers);
    return true;
}

struct gate breakers_gate(const struct breakers *breakers, uint32_t row)
{
    const struct conf *conf = breakers->destination->conf;
    bool whole = seg_row(breakers->segment, row)->kind == ROW_DESTINATION;
    return (struct gate){.segment = breakers->segment,
                         .row = row,
                         .conf = conf,
                         .above = whole && conf && conf->breaker_scope == SCOPE_ENDPOINT,
                         .program = "resctl",
                         .uid = getuid()};
}
