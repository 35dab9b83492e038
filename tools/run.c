/* SPDX-License-Identifier: MIT
 * `resctl run`: checks what it was given, sets the environment, says whether the program can be reached, and
 * becomes it. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/chaos.h"
#include "options.h"
#include "preload.h"
#include "print.h"
#include "program.h"
#include "resolver.h"
#include "settings.h"

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; /* as shells answer */

struct run {
    const char *config, *rules, *chaos;
    bool observe, strict;
    char config_path[PATH_MAX + 2]; /* absolute: the program may change its directory */
    char *rules_text;               /* what RESIL_RULES becomes, NULL: as it is */
};

static bool make_absolute(const char *path, char *out, size_t size)
{
    char directory[PATH_MAX];
    if (path[0] == '/') {
        snprintf(out, size, "%s", path);
        return true;
    }
    /* Not realpath(): where the file is a link that is moved to a new version, the link is meant. */
    if (!getcwd(directory, sizeof directory)) {
        complain("run: cannot tell the current directory: %s", strerror(errno));
        return false;
    }
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return snprintf(out, size, "%s%s%s", directory, directory[1] ? "/" : "", path) < (int)size;
}

static char *keep_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return copy_text(take_memory(size, 1), size, text, size);
}

static char *join_rules(const char *rules, bool observe)
{
    static const char suffix[] = "; [defaults]; mode = observe";
    const char *given = rules ? rules : getenv("RESIL_RULES");
    if (!observe)
        return rules ? keep_text(rules) : NULL;
    if (!given || !*given)
        return keep_text("mode = observe");
    char *joined = take_memory(strlen(given) + sizeof suffix, 1);
    memcpy(joined, given, strlen(given));
    memcpy(joined + strlen(given), suffix, sizeof suffix);
    return joined;
}

/* --observe is a promise that nothing is refused: a destination whose own lines or presets say mode = enforce, and so
 * win over [defaults], is told otherwise by name. */
static void observe_each(struct run *run, const struct rules *rules)
{
    static const char section[] = "; [destination %s]; mode = observe";
    for (uint32_t i = 0; i < rules->destinations; i++) {
        const struct rule_destination *destination = rules_destination(rules, i);
        const char *name = rules_text(rules, destination->name);
        if (destination->conf.mode != MODE_ENFORCE)
            continue;
        size_t used = strlen(run->rules_text), size = used + strlen(name) + sizeof section;
        char *grown = take_memory(size, 1);
        memcpy(grown, run->rules_text, used);
        snprintf(grown + used, size - used, section, name);
        free(run->rules_text);
        run->rules_text = grown;
    }
}

static bool check_chaos(const char *spec)
{
    struct faults faults;
    char error[256];
    if (!spec || chaos_parse(spec, &faults, error, sizeof error))
        return true;
    complain("--chaos:%s", error);
    return false;
}

/* Everything that was said on the command line, tried before anything is started. */
static int check_settings(struct run *run)
{
    struct settings settings;
    if (run->config && !make_absolute(run->config, run->config_path, sizeof run->config_path))
        return RESCTL_SYSTEM;
    run->rules_text = join_rules(run->rules, run->observe);
    bool ok = check_chaos(run->chaos);
    if (run->config || run->rules_text) {
        const char *rules = run->rules_text ? run->rules_text : getenv("RESIL_RULES");
        settings_compile(run->config ? run->config_path : NULL, rules, &settings);
        settings_print_errors(&settings);
        ok = ok && settings.rules;
        if (ok && run->observe)
            observe_each(run, settings.rules);
        settings_release(&settings);
    }
    return ok ? RESCTL_OK : RESCTL_USAGE;
}

static void set_environment(const struct run *run)
{
    if (run->config)
        setenv("RESIL_CONFIG", run->config_path, 1);
    if (run->rules_text)
        setenv("RESIL_RULES", run->rules_text, 1);
    if (!run->chaos)
        return;
    char began_ns[32];
    snprintf(began_ns, sizeof began_ns, "%" PRIu64, clock_now_ns());
    setenv("RESIL_CHAOS", run->chaos, 1);
    setenv("RESIL_CHAOS_BEGAN", began_ns, 1);
}

static int execute(char **command)
{
    execvp(command[0], command);
    int error = errno;
    complain("run: %s: %s", command[0], strerror(error));
    return error == ENOENT || error == ENOTDIR ? NOT_FOUND : NOT_EXECUTABLE;
}

static int start(const struct run *run, char **command)
{
    char library[PATH_MAX];
    struct program program;
    if (!preload_find(library, sizeof library))
        return RESCTL_SYSTEM;
    program_examine(command[0], library, &program);
    /* What cannot be executed is execvp()'s to say. */
    if (program.reach != REACH_yes && program.path[0]) {
        complain("%s%s: libresil cannot reach it: %s%s", run->strict ? "" : "warning: ", program.path,
                 reach_texts[program.reach], run->strict ? "; not started (--strict)" : "");
        if (run->strict)
            return RESCTL_NO;
    }
    set_environment(run);
    resolver_set();
    /* The address sanitizer insists on being the first of all libraries. */
    preload_set(library, program.facts.asan);
    return execute(command);
}

int command_run(const struct command *self, int argc, char **argv)
{
    struct run run = {.config = NULL};
    const struct option_row rows[] = {
        {"config", 'c', OPTION_TEXT, &run.config, "FILE", "the configuration (RESIL_CONFIG)"},
        {"rules", 'r', OPTION_TEXT, &run.rules, "TEXT", "rules on top of it, ';' is a newline (RESIL_RULES)"},
        {"chaos", 0, OPTION_TEXT, &run.chaos, "SPEC", "faults to inject into this program (RESIL_CHAOS)"},
        {"observe", 0, OPTION_FLAG, &run.observe, NULL, "only count what would have been done"},
        {"strict", 0, OPTION_FLAG, &run.strict, NULL, "do not start a program that cannot be reached"},
        {.name = NULL}};
    const struct options options = {
        .command = self, .rows = rows, .operands_min = 1, .operands_max = -1, .stop_at_operand = true};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    code = check_settings(&run);
    if (code == RESCTL_OK)
        code = start(&run, operands.text);
    free(run.rules_text);
    return code;
}
