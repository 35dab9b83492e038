/* SPDX-License-Identifier: MIT
 * Memory in use: of the machine by /proc/meminfo, and of our control group (version 2) and those above it, where they
 * have a limit. The greatest share counts: it is the one that kills first. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_ask.h"
#include "real/raw.h"

#define WHOLE_PPM 1000000u

static bool read_text(const char *path, char *out, size_t size)
{
    return raw_read_file(path, out, size) > 0;
}

/* The number behind a name at the beginning of a line; false when there is none. */
static bool number_after(const char *text, const char *name, uint64_t *out)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, name, length) != 0)
            continue;
        *out = strtoull(line + length, NULL, 10);
        return true;
    }
    return false;
}

static uint32_t share_ppm(uint64_t used, uint64_t total)
{
    if (total == 0)
        return 0;
    return used >= total ? WHOLE_PPM : (uint32_t)((double)used / (double)total * WHOLE_PPM);
}

static bool machine_ppm(uint32_t *ppm)
{
    char text[4096];
    uint64_t total, available;
    if (!read_text("/proc/meminfo", text, sizeof text) || !number_after(text, "MemTotal:", &total) ||
        !number_after(text, "MemAvailable:", &available) || available > total)
        return false;
    *ppm = share_ppm(total - available, total);
    return true;
}

/* One control group. The page cache that can be dropped at once is not in use. */
static uint32_t group_ppm(const char *directory)
{
    char path[PATH_MAX + 64], text[8192];
    uint64_t inactive = 0;
    snprintf(path, sizeof path, "%s/memory.max", directory);
    if (!read_text(path, text, sizeof text) || strncmp(text, "max", 3) == 0)
        return 0;
    uint64_t limit = strtoull(text, NULL, 10);
    snprintf(path, sizeof path, "%s/memory.current", directory);
    if (!read_text(path, text, sizeof text))
        return 0;
    uint64_t used = strtoull(text, NULL, 10);
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (read_text(path, text, sizeof text))
        number_after(text, "inactive_file ", &inactive);
    return share_ppm(used > inactive ? used - inactive : 0, limit);
}

static uint32_t groups_ppm(void)
{
    static const char root[] = "/sys/fs/cgroup";
    char text[4096], directory[PATH_MAX];
    uint32_t worst = 0;
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return 0;
    const char *own = strstr(text, "0::");
    if (!own)
        return 0;
    own += 3;
    snprintf(directory, sizeof directory, "%s%.*s", root, (int)strcspn(own, "\n"), own);
    while (strlen(directory) >= sizeof root - 1) {
        uint32_t ppm = group_ppm(directory);
        worst = ppm > worst ? ppm : worst;
        char *slash = strrchr(directory, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    return worst;
}

void probe_memory(uint32_t limit_ppm, struct probe_result *result)
{
    uint32_t ppm;
    if (!machine_ppm(&ppm)) {
        result->finding = FINDING_SYSTEM;
        return;
    }
    uint32_t group = groups_ppm();
    ppm = group > ppm ? group : ppm;
    result->finding = ppm >= limit_ppm ? FINDING_MEMORY : FINDING_OK;
    result->detail = ppm / 10000;
}
