/* SPDX-License-Identifier: MIT
 * LD_PRELOAD and RESIL_* for the next program. */
#include "conn/envp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "real/raw.h"
#include "real/self.h"

#define PRELOAD    "LD_PRELOAD="
#define SETTING    "RESIL_"
#define SEPARATORS ": " /* of LD_PRELOAD */

enum { PRELOAD_LENGTH = sizeof PRELOAD - 1, SETTING_LENGTH = sizeof SETTING - 1 };
/* The memory is the caller's stack: a larger environment goes as it is. */
enum { ENTRIES_MAX = 2048, PRELOAD_MAX = 4096, SETTINGS_MAX = 32 };

/* Written by the constructor only. entry: how LD_PRELOAD named us, "" when it did not. */
static struct {
    const char *entry;
    const char *path;
    char *settings[SETTINGS_MAX];
    size_t settings_used;
} own = {.entry = ""};

static const char *base_name(const char *path, size_t length)
{
    const char *end = path + length;
    while (end > path && end[-1] != '/')
        end--;
    return end;
}

/* The loader expands $LIB and the like, and searches names without a slash: the last component stays. */
static bool names_us(const char *entry, size_t length, const char *path)
{
    const char *base = base_name(entry, length);
    const char *own_base = base_name(path, strlen(path));
    size_t base_length = (size_t)(entry + length - base);
    return base_length > 0 && strlen(own_base) == base_length && memcmp(base, own_base, base_length) == 0;
}

/* The entry of a value of LD_PRELOAD that names us; NULL when there is none. */
static const char *find_us(const char *value, const char *path, size_t *length)
{
    for (; *value; value += *length + (value[*length] != '\0')) {
        *length = strcspn(value, SEPARATORS);
        if (names_us(value, *length, path))
            return value;
    }
    return NULL;
}

static const char *value_of_preload(char **environment)
{
    for (char **entry = environment; entry && *entry; entry++)
        if (strncmp(*entry, PRELOAD, PRELOAD_LENGTH) == 0)
            return *entry + PRELOAD_LENGTH;
    return "";
}

/* Paths as absolute as we use them ourselves: the next program may start in another directory. */
static const char *setting_value(const char *entry, const char *name, const char *kept)
{
    size_t length = strlen(name);
    return kept && strncmp(entry, name, length) == 0 ? kept : NULL;
}

static size_t keep_setting(const char *entry, char *out, size_t size)
{
    const char *config = setting_value(entry, "RESIL_CONFIG=", host.config_env);
    const char *segment = setting_value(entry, "RESIL_SEGMENT=", host.segment_env);
    if (config)
        return text_format(out, size, "RESIL_CONFIG=%s", config);
    if (segment)
        return text_format(out, size, "RESIL_SEGMENT=%s", segment);
    return text_copy(out, size, entry);
}

static size_t room_for(char **environment, size_t entry_length)
{
    size_t room = entry_length + 1;
    for (char **entry = environment; *entry; entry++)
        if (strncmp(*entry, SETTING, SETTING_LENGTH) == 0)
            room += strlen(*entry) + 1;
    room += host.config_env ? strlen(host.config_env) : 0;
    return room + (host.segment_env ? strlen(host.segment_env) : 0);
}

void envp_learn(char **environment)
{
    size_t length = 0;
    const char *value = value_of_preload(environment);
    const char *path = *value ? self_path() : "";
    const char *entry = find_us(value, path, &length);
    if (!entry)
        return;
    size_t room = room_for(environment, length);
    char *memory = raw_mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!memory)
        return;
    size_t used = length + 1; /* zeroed */
    memcpy(memory, entry, length);
    for (char **other = environment; *other && own.settings_used < SETTINGS_MAX; other++)
        if (strncmp(*other, SETTING, SETTING_LENGTH) == 0) {
            own.settings[own.settings_used++] = memory + used;
            used += keep_setting(*other, memory + used, room - used) + 1;
        }
    own.path = path;
    own.entry = memory;
}

static bool begins(const char *entry, const char *text, size_t length)
{
    return kernel_readable(entry, 8) && strncmp(entry, text, length) == 0;
}

/* Counts the entries and finds LD_PRELOAD. False when something cannot be read: the kernel says so. */
static bool survey(char *const *envp, struct envp_plan *plan, bool *has_setting)
{
    *plan = (struct envp_plan){.old = envp, .preload = SIZE_MAX};
    for (char *const *entry = envp; entry; entry++) {
        bool new_page = entry == envp || ((uintptr_t)entry & 4095) < sizeof *entry;
        if (new_page && !kernel_readable(entry, 8))
            return false;
        if (!*entry || plan->count == ENTRIES_MAX)
            break;
        if (plan->preload == SIZE_MAX && begins(*entry, PRELOAD, PRELOAD_LENGTH))
            plan->preload = plan->count;
        *has_setting |= begins(*entry, SETTING, SETTING_LENGTH);
        plan->count++;
    }
    if (plan->preload == SIZE_MAX)
        plan->preload = plan->count;
    return plan->count < ENTRIES_MAX;
}

/* Where the library is not (another root, a container), the loader would complain on standard error. */
static bool is_there(void)
{
    enum { READ_ACCESS = 4 };
    return raw_syscall(SYS_faccessat, AT_FDCWD, (long)own.path, READ_ACCESS, 0, 0, 0) == 0;
}

bool envp_plan(char *const *envp, struct envp_plan *plan)
{
    bool has_setting = false;
    size_t length = 0;
    if (!*own.entry || (host.disabled & DISABLE_EXEC) || !survey(envp, plan, &has_setting))
        return false;
    bool has_preload = plan->preload < plan->count;
    const char *value = has_preload ? envp[plan->preload] + PRELOAD_LENGTH : "";
    size_t value_bytes = strlen(value) + 1;
    if (has_preload ? !*value || find_us(value, own.path, &length) : has_setting)
        return false;
    if (value_bytes > PRELOAD_MAX || !is_there())
        return false;
    plan->settings = !has_setting;
    plan->bytes = (plan->count + 1 + own.settings_used + 1) * sizeof(char *) + PRELOAD_LENGTH + value_bytes + 1 +
                  strlen(own.entry) + 1;
    return true;
}

char *const *envp_build(const struct envp_plan *plan, void *memory)
{
    char **entries = memory;
    size_t used = plan->count;
    char *text = (char *)(entries + plan->count + 1 + own.settings_used + 1);
    size_t size = plan->bytes - (size_t)(text - (char *)memory);
    memcpy(entries, plan->old, plan->count * sizeof *entries);
    if (plan->preload < plan->count)
        text_format(text, size, "%s:%s", plan->old[plan->preload], own.entry);
    else
        text_format(text, size, PRELOAD "%s", own.entry);
    if (plan->preload == plan->count)
        used++;
    entries[plan->preload] = text;
    for (size_t i = 0; i < own.settings_used && plan->settings; i++)
        entries[used++] = own.settings[i];
    entries[used] = NULL;
    return entries;
}
