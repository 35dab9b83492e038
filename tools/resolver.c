/* SPDX-License-Identifier: MIT
 * RES_OPTIONS. */
#include "resolver.h"

#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "choose.h"
#include "print.h"
#include "settings.h"
#include "view.h"

static int64_t shortest_ns(const struct rules *rules)
{
    int64_t shortest = 0;
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct conf *conf = &rules_destination(rules, i)->conf;
        bool applies = conf->mode == MODE_ENFORCE && conf->timeout_dns_ns > 0;
        if (applies && (shortest == 0 || conf->timeout_dns_ns < shortest))
            shortest = conf->timeout_dns_ns;
    }
    return shortest;
}

/* What is published, as the program will use it; NULL when there is nothing yet. */
static struct rules *published(void)
{
    struct segment segment;
    struct choice choice = CHOICE_NONE;
    char path[SEGMENT_PATH];
    const char *chosen = getenv("RESIL_SEGMENT");
    if ((chosen && strcmp(chosen, "private") == 0) || choose_path(&choice, path, sizeof path) != RESCTL_OK ||
        segment_open(&segment, path, false) != SEGMENT_OK)
        return NULL;
    return view_rules(&segment);
}

int64_t resolver_limit_ns(void)
{
    struct settings settings;
    struct rules *rules = published();
    int64_t limit_ns = 0;
    if (rules) {
        limit_ns = shortest_ns(rules);
        free(rules);
        return limit_ns;
    }
    settings_compile(NULL, NULL, &settings);
    if (settings.rules)
        limit_ns = shortest_ns(settings.rules);
    settings_release(&settings);
    return limit_ns;
}

static bool has_option(const char *given, const char *name)
{
    while (*given) {
        given += strspn(given, " \t\n");
        if (strncmp(given, name, strlen(name)) == 0)
            return true;
        given += strcspn(given, " \t\n");
    }
    return false;
}

void resolver_options(int64_t limit_ns, unsigned servers, const char *given, char *out, size_t size)
{
    int64_t seconds = (limit_ns + NS_PER_S - 1) / NS_PER_S;
    unsigned shared = servers ? servers : 1;
    int64_t each = seconds / shared > 0 ? seconds / shared : 1;
    size_t used = (size_t)snprintf(out, size, "%s", given);
    if (has_option(given, "timeout:") || used >= size)
        return;
    used += (size_t)snprintf(out + used, size - used, "%stimeout:%lld", used ? " " : "", (long long)each);
    if (!has_option(given, "attempts:") && used < size)
        snprintf(out + used, size - used, " attempts:1");
}

static unsigned count_servers(void)
{
    char line[1024];
    unsigned count = 0;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file && fgets(line, sizeof line, file))
        count += strncmp(line, "nameserver", 10) == 0 && strchr(" \t", line[10]) != NULL;
    if (file)
        fclose(file);
    return count < MAXNS ? count : MAXNS;
}

void resolver_set(void)
{
    int64_t limit_ns = resolver_limit_ns();
    const char *given = getenv("RES_OPTIONS");
    if (limit_ns <= 0)
        return;
    size_t size = (given ? strlen(given) : 0) + 64;
    char *options = take_memory(size, 1);
    resolver_options(limit_ns, count_servers(), given ? given : "", options, size);
    if (setenv("RES_OPTIONS", options, 1) != 0)
        complain("run: cannot set RES_OPTIONS");
    free(options);
}
