/* SPDX-License-Identifier: MIT
 * The search order of the configuration file. */
#include "config/compile.h"

#include "base/text.h"
#include "real/raw.h"

#define FILE_NAME "/resil/resil.conf"

static bool is_set(const char *value)
{
    return value && *value;
}

/* directory + middle + the file's name into out, when that fits and exists. */
static bool exists(const char *directory, const char *middle, char *out, size_t size)
{
    struct raw_stat status;
    if (directory[0] != '/')
        return false;
    size_t length = text_format(out, size, "%s%s" FILE_NAME, directory, middle);
    return length + 1 < size && raw_stat(out, &status) == 0;
}

const char *config_find_file(const char *resil_config, const char *xdg, const char *home, char *out, size_t size)
{
    if (is_set(resil_config)) {
        text_copy(out, size, resil_config);
        return out;
    }
    if (is_set(xdg) ? exists(xdg, "", out, size) : is_set(home) && exists(home, "/.config", out, size))
        return out;
    return exists("/etc", "", out, size) ? out : NULL;
}
