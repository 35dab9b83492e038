/* SPDX-License-Identifier: MIT
 * The lines of an answer. All of it counts, or nothing: half a list would shut the other half out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../print.h"
#include "config/endpoint.h"
#include "discover.h"
#include "policy/balance.h"

struct list {
    struct endpoint at[BALANCE_HOSTS];
    unsigned count, beyond;
};

static bool is_known(const struct list *list, const struct endpoint *endpoint)
{
    for (unsigned i = 0; i < list->count; i++)
        if (endpoint_same(&list->at[i], endpoint))
            return true;
    return false;
}

/* Of what is said twice the first counts, as slices of Kubernetes overlap. */
static void add(struct list *list, const struct endpoint *endpoint)
{
    if (is_known(list, endpoint))
        return;
    if (list->count < BALANCE_HOSTS)
        list->at[list->count++] = *endpoint;
    else
        list->beyond++;
}

static bool complain_of(struct slice line, unsigned number, const char *want, char why[DISCOVER_WHY])
{
    char got[64], safe[ESCAPED(sizeof got)];
    copy_text(got, sizeof got, line.text, line.length);
    snprintf(why, DISCOVER_WHY, "line %u: got `%s', want %s", number, escape_text(safe, sizeof safe, got), want);
    return false;
}

/* What a value of the configuration may not hold as it is, or what would end it. */
static bool may_be_written(struct slice line)
{
    for (size_t at = 0; at < line.length; at++) {
        unsigned char c = (unsigned char)line.text[at];
        if ((c < 0x20 && c != '\t') || c == 0x7f || strchr("\",;", c))
            return false;
    }
    return true;
}

static bool read_line(struct arena *arena, struct slice line, unsigned number, struct list *list,
                      char why[DISCOVER_WHY])
{
    struct endpoint endpoint;
    struct endpoint_error error;
    if (!may_be_written(line))
        return complain_of(line, number, "ADDR:PORT [weight=N] [backup]", why);
    if (!endpoint_parse(arena, line, &endpoint, &error))
        return complain_of(error.got, number, error.want, why);
    add(list, &endpoint);
    return true;
}

/* The source's own word, on a line of its own. */
static bool read_remark(struct slice line, bool trusted, uint64_t *index, char why[DISCOVER_WHY])
{
    char text[DISCOVER_WHY - 2], safe[ESCAPED(sizeof text)];
    if (!trusted)
        return true;
    copy_text(text, sizeof text, line.text, line.length);
    sscanf(text, "# index %" SCNu64, index);
    if (text[0] != '!')
        return true;
    const char *reason = text[1] == ' ' && text[2] ? text + 2 : "it does not say why";
    snprintf(why, DISCOVER_WHY, "%.*s", DISCOVER_WHY - 1, escape_text(safe, sizeof safe, reason));
    return false;
}

static bool read_lines(struct arena *arena, const char *text, size_t length, bool trusted, struct list *list,
                       uint64_t *index, char why[DISCOVER_WHY])
{
    unsigned number = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t bytes = end ? (size_t)(end - text) - at : length - at;
        struct slice line = {text + at, bytes, 1};
        const char *hash = memchr(line.text, '#', bytes);
        at += bytes + 1;
        number++;
        if (!read_remark(line, trusted, index, why))
            return false;
        if (hash)
            line.length = (size_t)(hash - line.text);
        if (line.length > 0 && line.text[line.length - 1] == '\r')
            line.length--;
        line = slice_trim(line);
        if (line.length > 0 && !read_line(arena, line, number, list, why))
            return false;
    }
    if (list->count == 0)
        snprintf(why, DISCOVER_WHY, "no endpoint at all");
    return list->count > 0;
}

/* As `endpoints =` would have it: the same list is the same text. */
static char *write_value(const struct list *list)
{
    char *value = NULL;
    size_t bytes;
    FILE *out = open_memstream(&value, &bytes);
    if (!out)
        return NULL;
    for (unsigned i = 0; i < list->count; i++) {
        const struct endpoint *endpoint = &list->at[i];
        fprintf(out, "%s%s", i ? ", " : "", endpoint->text);
        if (endpoint->rule.weight != 1)
            fprintf(out, " weight=%u", endpoint->rule.weight);
        if (endpoint->rule.backup)
            fputs(" backup", out);
    }
    fclose(out);
    return value;
}

bool discover_read(const char *text, size_t length, bool trusted, char **value, unsigned *count, uint64_t *index,
                   char why[DISCOVER_WHY])
{
    struct arena arena = {0};
    struct list *list = take_memory(1, sizeof *list);
    bool good = read_lines(&arena, text, length, trusted, list, index, why);
    *value = good ? write_value(list) : NULL;
    *count = list->count;
    if (good && !*value)
        snprintf(why, DISCOVER_WHY, "not enough memory");
    if (good && list->beyond)
        agent_say("%u endpoints are too many: %d of them are used", list->count + list->beyond, BALANCE_HOSTS);
    free(list);
    arena_release(&arena);
    return *value != NULL;
}
